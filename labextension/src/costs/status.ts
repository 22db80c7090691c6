/** The status-bar item: this notebook's price and how full the context is, in at most 24 characters; the rest is its tooltip. */

import { Signal, type ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { el, setText } from '../answer/dom';
import { count, dollars, shortModel } from '../format';
import type { Links } from '../links';
import { page } from '../page';
import type { State, Sum } from '../state';

const LOOK = 1000; // ms between looks at answers that are arriving

export class StatusItem extends Widget {
  private readonly price = el('b');
  private readonly gauge = el('i');
  private readonly share = el('span');
  private readonly context = el('span', 'cj-context', el('span', 'cj-gauge', this.gauge), this.share);
  private readonly timer = setInterval(() => this.look(), LOOK);
  private live = { cost: 0, size: 0 };
  private active = false;
  private readonly activity = new Signal<this, void>(this);

  constructor(
    private readonly links: Links,
    open: () => void
  ) {
    super({ node: el('button', 'cj-status-item jp-mod-highlighted') });
    this.node.append(el('span', '', 'Claude ', this.price), this.context);
    this.node.addEventListener('click', open);
    links.changed.connect(this.draw, this);
    this.draw();
  }

  /** The status bar shows it only while there is something to tell. */
  get isActive(): boolean {
    return this.active;
  }

  get activeChanged(): ISignal<this, void> {
    return this.activity;
  }

  override dispose(): void {
    clearInterval(this.timer);
    super.dispose();
  }

  private look(): void {
    let cost = 0;
    let size = 0;
    const panel = this.links.current?.panel;
    for (const { view, answer } of page().live.values()) {
      if (panel?.node.contains(view.node)) {
        cost += answer.provider === 'demo' || answer.replayed ? 0 : Number(view.cost ?? 0);
        size = Math.max(size, view.size);
      }
    }
    if (cost !== this.live.cost || size !== this.live.size) {
      this.live = { cost, size };
      this.draw();
    }
  }

  private draw(): void {
    const state = this.links.current?.state;
    if (this.active !== (state !== null && state !== undefined)) {
      this.active = !this.active;
      this.activity.emit();
    }
    if (!state) {
      return;
    }
    setText(this.price, priceText(state.notebook ?? state.kernel, this.live.cost));
    const share = state.context ? Math.min(1, Math.max(state.context.used, this.live.size) / state.context.window) : 0;
    this.context.hidden = !state.context;
    setText(this.share, percent(share));
    this.gauge.style.width = `${Math.max(2, 100 * share)}%`;
    this.node.title = details(state, this.live.cost);
    this.node.setAttribute('aria-label', `Claude: ${this.price.textContent}, context ${this.share.textContent}. ${this.node.title}`);
  }
}

/** `0.4 %`, `3.2 %`, `41 %`. */
export function percent(share: number): string {
  const value = 100 * share;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** What was billed; of the demo's answers no price, which would look as if something had been. */
export function priceText(sum: Sum, live = 0): string {
  if (sum.unbilled > 0 && Number(sum.cost) === 0 && !live) {
    return 'demo, $0';
  }
  const price = sum.cost === null ? '$?' : dollars(live ? String(Number(sum.cost) + live) : sum.cost, sum.estimated);
  return price.replace(/ /g, '\u00a0');
}

function details(state: State, live: number): string {
  const line = (name: string, sum: Sum, budget: string | null): string =>
    `${name}: ${priceText(sum, live)}${budget ? ` of ${dollars(budget)}` : ''}`;
  const { budget, context } = state;
  const lines = [
    `${count(state.kernel.calls)} requests and ${count(state.kernel.tokens)} tokens in this kernel`,
    ...(state.notebook ? [line('This notebook', state.notebook, budget.notebook)] : []),
    line('This kernel', state.kernel, budget.kernel),
    ...(state.day ? [`Today: ${dollars(state.day.cost)}${budget.day ? ` of ${dollars(budget.day)}` : ''}`] : []),
    ...(context ? [`Context: ${count(context.used)} of ${count(context.window)} tokens`] : []),
    `Model: ${shortModel(state.model)}`
  ];
  if (state.kernel.unbilled > 0) {
    lines.push(`Not billed (demo or replayed): it would have cost ${dollars(String(state.kernel.unbilled))}`);
  }
  return lines.join('\n');
}
