/** The status-bar item: this notebook's price, the kernel's, the context gauge, the model; live while an answer arrives. */

import { Signal, type ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { el, setText } from '../answer/dom';
import { count, dollars, shortModel, unbilled } from '../format';
import type { Links } from '../links';
import { page } from '../page';
import type { State, Sum } from '../state';

const LOOK = 1000; // ms between looks at answers that are arriving

export class StatusItem extends Widget {
  private readonly price = el('b');
  private readonly rest = el('span');
  private readonly gauge = el('i');
  private readonly context = el('span', 'cj-context', el('span'), el('span', 'cj-gauge', this.gauge));
  private readonly model = el('span');
  private readonly timer = setInterval(() => this.look(), LOOK);
  private live = 0;
  private active = false;
  private readonly activity = new Signal<this, void>(this);

  constructor(
    private readonly links: Links,
    open: () => void
  ) {
    super({ node: el('button', 'cj-status-item jp-mod-highlighted') });
    this.node.append(el('span', '', 'Claude: ', this.price, this.rest), this.context, this.model);
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
    let live = 0;
    const panel = this.links.current?.panel;
    for (const { view } of page().live.values()) {
      live += panel?.node.contains(view.node) ? Number(view.cost ?? 0) : 0;
    }
    if (live !== this.live) {
      this.live = live;
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
    const { budget } = state;
    const parts = [this.sum(state.kernel, 'kernel', budget.kernel)];
    if (state.notebook) {
      parts.unshift(this.sum(state.notebook, 'notebook', budget.notebook));
    }
    if (state.day && budget.day) {
      parts.push(this.sum(state.day, 'today', budget.day));
    }
    parts.push(...[unbilled(state.kernel)].filter(Boolean));
    const [price] = parts[0].split(' ');
    setText(this.price, price);
    setText(this.rest, [parts[0].slice(price.length), ...parts.slice(1)].join(' · '));
    const share = state.context ? Math.min(1, state.context.used / state.context.window) : 0;
    this.context.hidden = !state.context;
    setText(this.context.firstElementChild as HTMLElement, `context ${Math.round(100 * share)} %`);
    this.gauge.style.width = `${Math.max(2, 100 * share)}%`;
    setText(this.model, shortModel(state.model));
    this.node.title = details(state);
    const shown = [...this.node.children].filter(part => !(part as HTMLElement).hidden).map(part => part.textContent);
    this.node.setAttribute('aria-label', `${shown.join(', ')}. ${details(state)}`);
  }

  /** `$0.18 of $5.00 notebook`. */
  private sum(sum: Sum, name: string, budget: string | null): string {
    return `${this.money(sum).replace(/ /g, '\u00a0')}${budget ? ` of ${dollars(budget)}` : ''} ${name}`;
  }

  private money(sum: Sum): string {
    return dollars(sum.cost === null ? null : String(Number(sum.cost) + this.live), sum.estimated);
  }
}

function details(state: State): string {
  const lines = [`${count(state.kernel.calls)} requests and ${count(state.kernel.tokens)} tokens in this kernel`];
  if (state.day) {
    lines.push(`Today ${dollars(state.day.cost)}${state.budget.day ? ` of ${dollars(state.budget.day)}` : ''}`);
  }
  if (state.budget.notebook) {
    lines.push(`Budget of this notebook ${dollars(state.budget.notebook)}`);
  }
  if (state.budget.kernel) {
    lines.push(`Budget of this kernel ${dollars(state.budget.kernel)}`);
  }
  if (state.context) {
    lines.push(`Context: ${count(state.context.used)} of ${count(state.context.window)} tokens`);
  }
  return lines.join('\n');
}
