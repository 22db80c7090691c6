/** The one line under an answer: Stop and what is being waited for while it runs, then model, tokens, price, seconds. */

import { clock, dollars, priceDetails, seconds, shortModel, stepLine, tokens } from '../format';
import type { Answer, StepBlock, Usage } from '../protocol';
import { button, el, setText } from './dom';
import { copy } from './code';
import type { Services, Stop } from './services';

let tooltips = 0;

export class Footer {
  readonly node = el('div', 'cj-foot');
  private readonly steps = el('span', 'cj-step');
  private readonly status = el('span', 'cj-status');
  private readonly model = el('span', 'cj-model');
  private readonly tokens = el('span', 'cj-tokens');
  private readonly price = el('span', 'cj-price');
  private readonly priceText = el('b');
  private readonly tip = el('span', 'cj-tip');
  private readonly time = el('span', 'cj-time');
  private readonly live = el('span', 'cj-sr');
  private copyButton: HTMLButtonElement | null = null;
  private stopButton: HTMLButtonElement | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private waiting: { text: string; since: number; until: number | null } | null = null;
  private began = performance.now();

  constructor() {
    this.live.setAttribute('aria-live', 'polite');
    this.tip.id = `cj-tip-${++tooltips}`;
    this.tip.setAttribute('role', 'tooltip');
    this.price.tabIndex = 0;
    this.price.setAttribute('aria-describedby', this.tip.id);
    this.price.append(this.priceText, this.tip);
    this.price.hidden = true;
    this.node.append(this.steps, this.status, this.model, this.tokens, this.price, el('span', 'cj-space'), this.time, this.live);
  }

  begin(answer: Answer, stop: Stop | null): void {
    setText(this.model, shortModel(answer.model));
    this.model.title = answer.model;
    this.began = performance.now() - 1000 * answer.seconds;
    if (stop) {
      const node = button('cj-stop', 'Stop', () => {
        node.disabled = true;
        this.wait('Stopping', null);
        stop.run();
      });
      node.title = stop.hint;
      node.prepend(el('span', 'cj-square'));
      this.node.prepend(node);
      this.stopButton = node;
    }
    this.timer = setInterval(() => this.tick(), 500);
    this.tick();
  }

  /** What happened to the steps that the answer follows. */
  follow(steps: StepBlock[]): void {
    setText(this.steps, steps.map(stepLine).join(' — '));
    this.steps.title = steps.map(({ title }) => title).join(' — ');
  }

  /** Say what is being waited for; the page counts the seconds itself. */
  wait(text: string, until: number | null): void {
    const now = performance.now();
    if (this.waiting?.text !== text) {
      this.announce(text);
    }
    const since = this.waiting?.text === text && until === null ? this.waiting.since : now;
    this.waiting = text ? { text, since, until: until === null ? null : now + 1000 * until } : null;
    this.tick();
  }

  arrived(): void {
    if (this.waiting && this.waiting.text !== 'Stopping') {
      this.waiting = null;
      this.announce('Claude is answering');
      this.tick();
    }
  }

  meter(usage: Usage, cost: string | null): void {
    setText(this.tokens, tokens(usage, { live: true }));
    setText(this.priceText, cost === null ? '' : dollars(cost));
    setText(this.tip, 'List price so far; the output is an estimate until the answer ends.');
    this.price.hidden = cost === null;
  }

  end(answer: Answer): void {
    this.halt();
    this.waiting = null;
    this.node.classList.remove('cj-waiting');
    this.stopButton?.remove();
    setText(this.status, '');
    this.status.hidden = true;
    this.model.hidden = this.tokens.hidden = false;
    setText(this.model, shortModel(answer.model));
    this.model.title = answer.model;
    const used = Object.values(answer.usage).some(n => n > 0);
    setText(this.tokens, used ? tokens(answer.usage, answer) : '');
    const free = answer.replayed ? 'replayed' : answer.billed && answer.provider !== 'demo' ? '' : 'demo, nothing billed';
    setText(this.priceText, used || answer.cost !== null ? dollars(answer.cost, answer.estimated) : '');
    if (free) {
      this.priceText.after(el('span', 'cj-free', ` ${free}`));
    }
    setText(this.tip, priceDetails(answer));
    this.price.hidden = !this.priceText.textContent;
    setText(this.time, answer.seconds > 0 ? seconds(answer.seconds) : '');
    this.node.hidden = !used && !this.steps.textContent && (!answer.seconds || (!answer.complete && !Number(answer.cost)));
  }

  /** A button that copies the answer as Markdown. */
  offerCopy(text: () => string, services: Services): void {
    const item = button('cj-btn cj-copy', 'Copy answer', () => copy(item, text(), services));
    item.disabled = services.untrusted !== undefined;
    item.title = services.untrusted ?? 'Copy the whole answer as Markdown';
    item.hidden = !text();
    this.copyButton?.remove();
    this.copyButton = item;
    this.time.before(item);
  }

  announce(text: string): void {
    setText(this.live, text);
  }

  halt(): void {
    if (this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  private tick(): void {
    const now = performance.now();
    const { waiting } = this;
    this.node.classList.toggle('cj-waiting', waiting !== null);
    if (waiting) {
      const seconds = waiting.until === null ? null : Math.max(0, Math.ceil((waiting.until - now) / 1000));
      setText(this.status, seconds === null ? `${waiting.text} … ${clock((now - waiting.since) / 1000)}` : countdown(waiting.text, seconds));
    }
    this.status.hidden = waiting === null;
    setText(this.time, clock((now - this.began) / 1000));
  }
}

/** `Trying again, 2 of 3` with 8 s left → `Trying again in 8 s, 2 of 3.` */
function countdown(text: string, seconds: number): string {
  const comma = /^(.*), (\d+ of \d+)\.?$/.exec(text);
  return comma ? `${comma[1]} in ${seconds} s, ${comma[2]}.` : `${text.replace(/\.$/, '')} in ${seconds} s`;
}
