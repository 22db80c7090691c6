/**
 * Sets mathematics after the text around it, a few formulas at a time: text never waits for them, and if there are very many,
 * those in sight come first and the others while the page has nothing else to do.
 */

import { el } from './dom';
import type { Services } from './services';

/** This many waiting formulas are set at once, wherever they are; of more, first those near what is in sight. */
const FEW = 60;
const NEAR = '1200px';
/** Marks of formulas in one part that is set in one go. */
const MARKS = 8;
const SLICE = 6; // ms, where text waits as well

const PART = 'cj-set'; // of which no smaller part is made
const MARK = /\$\$?|\\[([]|\\begin\{/g;
const FORMULA = /\$\$[^]*?\$\$|\$[^$]*\$|\\\([^]*?\\\)|\\\[[^]*?\\\]|\\begin\{([a-z]+\*?)\}[^]*?\\end\{\1\}/g;

interface Item {
  node: HTMLElement;
  page: HTMLElement;
}

export class Formulas {
  private items: Item[] = [];
  private readonly near = new Set<Element>();
  private observer: IntersectionObserver | null = null;
  private seen: boolean | null = null; // the text around is on the page and not in a hidden tab
  private state: 'cold' | 'warming' | 'warm' = 'cold';
  private idle = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly services: Services,
    private readonly wake: () => void
  ) {}

  add(node: HTMLElement, page: HTMLElement): void {
    for (const part of partsOf(node)) {
      this.items.push({ node: part, page });
    }
    if (this.items.length > FEW && typeof IntersectionObserver !== 'undefined') {
      this.watch();
    }
  }

  /** Set some until the deadline; true if there is more to do at once. `behind`: text waits as well. */
  async work(deadline: number, behind: boolean): Promise<boolean> {
    if (!this.items.length || this.state === 'warming' || !this.visible()) {
      return false;
    }
    if (this.state === 'cold') {
      this.state = 'warming'; // the host loads its typesetter: nobody waits for that
      void this.set(this.next(behind) ?? this.items.shift()!).finally(() => {
        this.state = 'warm';
        this.wake();
      });
      return false;
    }
    const end = behind ? performance.now() + SLICE : deadline;
    for (let item = this.next(behind); item; item = this.next(behind)) {
      await this.set(item);
      if (performance.now() > end) {
        break;
      }
    }
    if (this.items.length > FEW && ![...this.items].some(({ page }) => this.near.has(page))) {
      this.whenIdle();
      return false;
    }
    return this.items.length > 0;
  }

  dispose(): void {
    this.observer?.disconnect();
    this.items = [];
  }

  private next(behind: boolean): Item | null {
    const many = this.items.length > FEW;
    const at = many || behind ? this.items.findIndex(({ page }) => this.near.has(page)) : 0;
    return at < 0 ? null : (this.items.splice(at, 1)[0] ?? null);
  }

  private async set({ node, page }: Item): Promise<void> {
    if (node.isConnected) {
      await this.services.typeset!(node);
    }
    if (this.observer && !this.items.some(item => item.page === page)) {
      this.observer.unobserve(page);
      this.near.delete(page);
    }
  }

  private watch(): void {
    this.observer ??= new IntersectionObserver(
      entries => {
        for (const { target, isIntersecting } of entries) {
          this.near[isIntersecting ? 'add' : 'delete'](target);
        }
        this.wake();
      },
      { rootMargin: NEAR }
    );
    new Set(this.items.map(({ page }) => page)).forEach(page => this.observer!.observe(page));
  }

  private whenIdle(): void {
    if (this.idle || typeof requestIdleCallback === 'undefined') {
      return;
    }
    this.idle = true;
    requestIdleCallback(async left => {
      this.idle = false;
      while (this.items.length && left.timeRemaining() > 8) {
        await this.set(this.items.shift()!);
      }
      if (this.items.length) {
        this.whenIdle();
      }
    });
  }

  /** Mathematics is sized by the text around it, so it waits until that is on the page and not in a hidden tab. */
  private visible(): boolean {
    if (this.seen === null) {
      this.seen = this.root.getClientRects().length > 0;
      new ResizeObserver(() => {
        const seen = this.root.getClientRects().length > 0;
        if (seen && !this.seen) {
          this.wake();
        }
        this.seen = seen;
      }).observe(this.root);
    }
    return this.seen;
  }
}

const marks = (node: Node): number => node.textContent?.match(MARK)?.length ?? 0;

/** The smallest elements around few formulas each, so that no part takes long. */
function partsOf(node: HTMLElement): HTMLElement[] {
  const ready = [...node.querySelectorAll<HTMLElement>('.cj-tex')];
  if (ready.length) {
    return ready; // found by the host's Markdown already
  }
  if (marks(node) <= MARKS || node.classList.contains(PART)) {
    return marks(node) ? [node] : [];
  }
  for (const child of [...node.childNodes]) {
    if (child instanceof Text && marks(child)) {
      divide(child);
    }
  }
  return [...node.children].flatMap(child => (child instanceof HTMLElement && !/^(?:CODE|PRE)$/.test(child.tagName) ? partsOf(child) : []));
}

/** Put a text's formulas into spans of a few each; what it looks like does not change. */
function divide(text: Text): void {
  const spans: HTMLElement[] = [];
  const source = text.data;
  let from = 0;
  let n = 0;
  for (const match of source.matchAll(FORMULA)) {
    if (++n % (MARKS / 2) === 0) {
      const to = match.index + match[0].length;
      spans.push(el('span', PART, source.slice(from, to)));
      from = to;
    }
  }
  text.replaceWith(...spans, el('span', PART, source.slice(from)));
}
