/**
 * The one view of an answer, live and saved, in the widget and in the extension. Plain DOM; what differs between hosts
 * comes in as `services`. Color, type and metrics are in `style/answer.css`.
 */

import { prompt, shortModel } from '../format';
import { joinTexts, readUsage, type Answer, type Block, type Op, type Usage } from '../protocol';
import type { Arrived } from '../snapshot';
import { el } from './dom';
import { Footer } from './footer';
import { MarkdownStream } from './markdown';
import { Painter, type Paintable } from './paint';
import * as parts from './parts';
import { Follower } from './scroll';
import type { Advice, Services, Stop } from './services';

const painter = new Painter();

type Shown =
  | { type: 'text'; node: HTMLElement; stream: MarkdownStream }
  | { type: 'thinking'; node: HTMLElement; view: parts.ThinkingView }
  | { type: 'other'; node: HTMLElement };

export class AnswerView implements Paintable {
  private readonly body = el('div', 'cj-blocks');
  private readonly foot = new Footer();
  private readonly follower: Follower;
  private drawn: Shown[] = [];
  private live = false;
  private spent: string | null = null;
  private follows = false;
  private ending = false; // what came last is not drawn yet
  private gap = false;
  private painted: (() => void)[] = [];
  private blocks: Block[] = [];
  private answer: Answer | null = null;
  private usage: Usage;
  private began = 0;
  /** Counts what arrived: the same number, nothing new. */
  changes = 0;

  constructor(
    readonly node: HTMLElement,
    private readonly services: Services
  ) {
    node.classList.add('cj-Answer');
    node.setAttribute('role', 'group');
    this.follower = new Follower(node);
    this.usage = readUsage(null);
  }

  /** Show an answer that is about to arrive. */
  begin(answer: Answer, stop: Stop | null): void {
    this.live = true;
    this.follows = true;
    this.began = performance.now();
    this.head(answer);
    this.state('live');
    this.foot.begin(answer, stop);
    answer.blocks.forEach((block, b) => this.put(b, block));
  }

  /** Take what arrived; drawn at the next frame. */
  apply(ops: Op[]): void {
    const blank = this.isBlank();
    for (const op of ops) {
      switch (op.op) {
        case 'put':
          this.put(op.b, op.block);
          break;
        case 'add':
          this.add(op.b, op.at, op.text);
          break;
        case 'status':
          this.foot.wait(op.text, op.until);
          break;
        case 'meter':
          this.spent = op.cost;
          this.usage = op.usage;
          this.foot.meter(op.usage, op.cost);
      }
    }
    painter.request(this, blank && !this.isBlank()); // the first words do not wait for the pace
  }

  /** Show an answer that is not arriving anymore; `texts` are those of its text blocks. */
  show(answer: Answer, texts: Map<number, string>): void {
    this.head(answer);
    answer.blocks.forEach((block, b) => {
      this.put(b, block.type === 'text' ? { type: 'text', text: texts.get(b) ?? '' } : block);
    });
    this.live = true; // the end closes it
    this.follows = false;
    this.end(answer);
    painter.request(this);
  }

  /** USD so far, while it arrives. */
  get cost(): string | null {
    return this.live ? this.spent : null;
  }

  /** Tokens of the question and of what has arrived, while it arrives. */
  get size(): number {
    return this.live ? prompt(this.usage) + this.usage.output : 0;
  }

  /** It has arrived: take over what the kernel says of it in the end. */
  finish(answer: Answer): void {
    this.end(answer);
    painter.request(this, true);
  }

  /** What there is so far, texts and all. */
  arrived(): Arrived {
    const blocks = this.blocks.map((block, b): Block => {
      const item = this.drawn[b];
      return item.type === 'text' ? { type: 'text', text: item.stream.text }
        : block.type === 'thinking' ? { ...block, text: this.thinking(b) }
        : block;
    });
    return { blocks, usage: this.usage, cost: this.spent, seconds: (performance.now() - this.began) / 1000 };
  }

  /** The texts drawn so far, or null if something is missing. */
  texts(): string[] | null {
    return this.gap ? null : this.drawn.flatMap(item => (item.type === 'text' ? [item.stream.text] : []));
  }

  whenPainted(): Promise<void> {
    return new Promise(resolve => {
      this.painted.push(resolve);
      painter.request(this);
    });
  }

  async paint(deadline: number): Promise<boolean> {
    const follow = this.live || this.ending;
    if (follow) {
      this.follower.before();
    }
    let left = false;
    for (const item of this.drawn) {
      if (item.type === 'text' && (await item.stream.paint(deadline))) {
        left = true;
        break;
      }
    }
    if (follow) {
      this.follower.after();
    }
    if (!left) {
      this.ending = false;
      this.painted.splice(0).forEach(done => done());
    }
    return left;
  }

  dispose(): void {
    this.foot.halt();
    this.drawn.forEach(item => item.type === 'text' && item.stream.dispose());
    painter.forget(this);
  }

  /** What a notice advises, done by the host. */
  private get advice(): ((advice: Advice) => void) | undefined {
    const { follow } = this.services;
    return follow && (advice => this.answer && follow(advice, this.answer, this.node));
  }

  private isBlank(): boolean {
    return !this.drawn.some(item => item.type === 'text' && item.stream.length > 0);
  }

  private head(answer: Answer): void {
    this.answer = answer;
    const label = answer.model ? `Answer from ${shortModel(answer.model)}` : 'Answer';
    this.node.setAttribute('aria-label', label);
    const { sent } = this.services;
    const chips = answer.attachments.length ? parts.attachments(answer.attachments, sent && (place => sent(answer, place, this.node))) : [];
    this.node.replaceChildren(...chips, this.body, this.foot.node);
  }

  private state(name: 'live' | 'done' | 'stopped' | 'error'): void {
    this.node.dataset.state = name;
    this.node.setAttribute('aria-busy', String(name === 'live'));
  }

  private put(b: number, block: Block): void {
    const old = this.drawn[b];
    this.blocks[b] = block;
    this.changes += 1;
    if (block.type === 'text') {
      const text = block.text ?? '';
      if (old?.type !== 'text' || !text.startsWith(old.stream.text)) {
        this.place(b, this.text(text));
      } else {
        old.stream.push(text.slice(old.stream.length));
      }
      if (text) {
        this.foot.arrived();
      }
    } else if (block.type === 'thinking') {
      const view = old?.type === 'thinking' ? old.view : new parts.ThinkingView();
      view.update(block, this.live);
      if (old?.type !== 'thinking') {
        this.place(b, { type: 'thinking', node: view.node, view });
      }
    } else {
      const open = old?.node instanceof HTMLDetailsElement && old.node.open;
      const node =
        block.type === 'tool' ? parts.tool(block, this.live)
        : block.type === 'citation' ? parts.citation(block)
        : block.type === 'notice' ? parts.notice(block, this.advice, this.services.untrusted)
        : el('span'); // told below, or of a newer version
      if (node instanceof HTMLDetailsElement) {
        node.open = open;
      }
      this.place(b, { type: 'other', node });
      this.foot.follow(this.blocks.filter(item => item.type === 'step'));
    }
  }

  private text(text: string): Shown {
    const stream = new MarkdownStream(this.services, () => painter.request(this));
    stream.push(text);
    return { type: 'text', node: stream.node, stream };
  }

  private place(b: number, item: Shown): void {
    const old = this.drawn[b];
    this.drawn[b] = item;
    if (old) {
      old.node.replaceWith(item.node);
      return;
    }
    this.drawn[b - 1]?.type === 'text' && (this.drawn[b - 1] as { stream: MarkdownStream }).stream.finish();
    const last = this.body.lastElementChild;
    if (!item.node.classList.contains('cj-cite')) {
      this.body.append(item.node);
    } else if (last?.classList.contains('cj-cites')) {
      last.append(item.node);
    } else {
      const sources = el('ol', 'cj-cites', item.node);
      sources.setAttribute('aria-label', 'Sources');
      this.body.append(sources);
    }
  }

  private add(b: number, at: number, text: string): void {
    const item = this.drawn[b];
    const target = item?.type === 'text' ? item.stream : item?.type === 'thinking' ? item.view : null;
    if (!target || at > target.length) {
      this.gap = true;
      this.foot.wait('Catching up', null);
      return;
    }
    const fresh = text.slice(target.length - at);
    if (fresh) {
      this.changes += 1;
      target.push(fresh);
      if (item.type === 'text' && !this.gap) {
        this.foot.arrived();
      }
    }
  }

  private end(answer: Answer): void {
    if (!this.live) {
      return;
    }
    answer.blocks.forEach((block, b) => {
      if (block.type !== 'text' || block.text !== undefined) {
        this.put(b, block.type === 'thinking' && !block.text ? { ...block, text: this.thinking(b) } : block);
      }
    });
    this.drawn.forEach(item => item.type === 'text' && item.stream.finish());
    this.live = false;
    this.ending = this.follows;
    for (const [b, block] of answer.blocks.entries()) {
      if (block.type === 'thinking') {
        (this.drawn[b] as { view: parts.ThinkingView }).view.update({ ...block, text: block.text || this.thinking(b) }, false);
      }
    }
    this.foot.end(answer);
    this.foot.offerCopy(() => joinTexts(this.texts() ?? []), this.services);
    const nothing = !answer.complete && answer.blocks.length === 0; // the cell's error says why
    this.node.hidden = nothing && answer.attachments.length === 0;
    const failed = nothing || answer.blocks.some(block => block.type === 'notice' && block.level === 'error');
    this.state(failed ? 'error' : answer.complete ? 'done' : 'stopped');
    if (this.follows) {
      this.foot.announce(failed ? '' : answer.complete ? 'The answer is complete' : 'The answer was stopped');
    } // what is opened again has nothing to announce: a notebook may hold hundreds
  }

  private thinking(b: number): string {
    const item = this.drawn[b];
    return item?.type === 'thinking' ? (item.node.querySelector('.cj-body')?.textContent ?? '') : '';
  }
}
