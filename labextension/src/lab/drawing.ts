/** What an output with an answer in it shows. Of a live answer it takes over the very elements that the widget drew, and continues with them. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { mount, type Mount } from '../answer/mount';
import type { Services, Stop } from '../answer/services';
import { AnswerView } from '../answer/view';
import { lend, page, type Live } from '../page';
import { joinTexts, MIME, readAnswer, textsOf, type Answer } from '../protocol';
import { unseal } from '../seal';
import { isUnfinished, UNFINISHED } from '../snapshot';
import { tracker, type Host } from './host';
import { find as findPlace, Keeper } from './keeping';
import { idOf } from './outputs';
import { Pending } from './pending';
import { labServices } from './services';

let services: Services | null = null;

/** From now on answers are drawn with JupyterLab's services, those of widgets too, and what arrives is kept. */
export function serve({ rendermime, languages, tracker: notebooks }: Host): void {
  if (services) {
    return;
  }
  const lent = labServices(rendermime, languages, notebooks);
  services = lent;
  lend((where: Mount) => mount(where, lent));
  if (notebooks) {
    new Keeper(notebooks);
  }
}

export class Drawing {
  private view: Pick<AnswerView, 'dispose'> | null = null;
  private live: Live | null = null;
  private pending: Pending | null = null;
  private below = new MutationObserver(() => undefined);

  constructor(
    private readonly node: HTMLElement,
    private readonly options: IRenderMime.IRendererOptions | null
  ) {}

  async draw(model: IRenderMime.IMimeModel): Promise<void> {
    const { data, metadata } = model;
    const unfinished = isUnfinished(metadata);
    if (unfinished && this.live && !this.live.ended && idOf(model) === this.live.answer.id) {
      return; // it is drawn as it arrives
    }
    const markdown = text(data['text/markdown']);
    const answer = readAnswer(data[MIME]);
    const texts = answer && textsOf(answer, markdown);
    if (!answer || !texts) {
      return this.whole(markdown || text(data['text/plain']), model.trusted);
    }
    const live = page().live.get(answer.id);
    if (live && !live.ended) {
      if (unfinished ? !live.adopted || live === this.live : (!live.adopted || live === this.live) && same(live, answer, text(data['text/plain']))) {
        this.adopt(live);
        if (!unfinished) {
          end(live);
          live.view.finish(answer);
          this.hideRepeated();
        }
        return;
      }
      if (!unfinished) {
        end(live);
      }
    }
    const height = this.node.offsetHeight;
    this.clear();
    const node = document.createElement('div');
    this.node.append(node);
    this.node.style.minHeight = height ? `${height}px` : ''; // no collapse while it is drawn again
    const view = new AnswerView(node, this.services(model.trusted));
    this.view = view;
    if (unfinished) {
      texts.forEach((sealed, b) => texts.set(b, unseal(sealed)));
    }
    view.show(answer, texts);
    const place = unfinished && model.trusted ? find(answer.id) : null;
    if (place) {
      this.pending = new Pending(place, stop => this.wait(answer, texts, stop), () => (this.view as AnswerView | null)?.finish(answer));
    }
    await view.whenPainted();
    this.node.style.minHeight = '';
    this.hideRepeated();
  }

  /** The kernel continues with it, unseen by this page. */
  private wait(answer: Answer, texts: Map<number, string>, stop: Stop): void {
    const node = document.createElement('div');
    const view = new AnswerView(node, this.services(true));
    const arrived = answer.blocks.filter(block => block.type !== 'notice' || block.text !== UNFINISHED.text);
    view.begin({ ...answer, blocks: arrived.map(block => (block.type === 'text' ? { type: 'text', text: texts.get(answer.blocks.indexOf(block)) ?? '' } : block)) }, stop);
    view.apply([{ op: 'status', text: 'Still answering', until: null }]);
    this.view?.dispose();
    this.view = view;
    this.node.replaceChildren(node);
  }

  /** The error below a stopped answer says what the answer has said. */
  hideRepeated(): void {
    const child = this.node.closest('.jp-OutputArea-child');
    const stopped = this.node.querySelector(':scope > .cj-Answer[data-state="stopped"]') !== null;
    const hide = (): void => {
      const next = child?.nextElementSibling;
      if (next?.querySelector('[data-mime-type]')?.textContent?.startsWith('StoppedError: ')) {
        next.classList.add('cj-repeated');
      }
    };
    this.below.disconnect();
    if (child?.parentElement && stopped) {
      this.below = new MutationObserver(hide);
      this.below.observe(child.parentElement, { childList: true, subtree: true });
      hide();
    }
  }

  private adopt(live: Live): void {
    if (this.live === live) {
      return;
    }
    this.clear();
    live.adopted = true;
    this.live = live;
    this.view = live.view;
    const focused = live.view.node.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
    this.node.append(live.view.node);
    if (focused) {
      setTimeout(() => focused.focus({ preventScroll: true })); // when the output is on the page
    }
  }

  /** An answer that this version cannot read, or whose Markdown was edited: its Markdown. */
  private async whole(markdown: string, trusted: boolean): Promise<void> {
    this.clear();
    const node = document.createElement('div');
    node.className = 'cj-Answer cj-md';
    this.node.append(node);
    const lent = this.services(trusted);
    await lent.render(markdown, node);
    lent.typeset?.(node);
  }

  clear(): void {
    this.below.disconnect();
    this.pending?.dispose();
    this.pending = null;
    if (this.live && !this.live.ended) {
      this.live.adopted = false; // another output may take it on: a cell that is moved is made anew
    } else {
      this.view?.dispose();
    }
    this.live = null;
    this.view = null;
    this.node.replaceChildren();
  }

  private services(trusted: boolean): Services {
    const lent = services ?? plain(this.options);
    return trusted ? lent : { ...lent, ...UNTRUSTED };
  }
}

/** In a notebook that is not trusted nothing that is clicked may act. */
const UNTRUSTED: Pick<Services, 'untrusted' | 'copy'> & Partial<Services> = {
  untrusted: 'Trust this notebook first',
  copy: () => Promise.reject(new Error('not trusted')),
  insertBelow: () => undefined,
  sent: undefined,
  follow: () => undefined
};

const text = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.join('') : '';

function find(id: string): NotebookPanel | null {
  const notebooks = tracker();
  return notebooks && (findPlace(notebooks, id)?.panel ?? null);
}

function end(live: Live): void {
  live.ended = true;
  page().live.delete(live.answer.id);
}

/** Whether what was drawn live is what was saved. */
function same(live: Live, answer: Answer, plain: string): boolean {
  const drawn = live.view.texts();
  const count = answer.blocks.filter(block => block.type === 'text').length;
  return drawn !== null && drawn.length === count && joinTexts(drawn) === plain;
}

/** Where the plugin that lends JupyterLab's services is switched off: text as it is. */
function plain(options: IRenderMime.IRendererOptions | null): Services {
  return {
    render: (markdown, node) => {
      node.textContent = markdown;
      node.style.whiteSpace = 'pre-wrap';
    },
    typeset: node => void options?.latexTypesetter?.typeset(node),
    copy: value => navigator.clipboard.writeText(value)
  };
}
