/** A block of code, whole or still growing: text is appended, color comes segment by segment, so that size costs nothing. */

import { button, el } from './dom';
import type { Services } from './services';

/** Code is colored in segments of about this many characters, cut between top-level statements. */
const SEGMENT = 1500;
/** Up to here a finished block is colored once more as a whole, which reads strings over many lines right. */
const WHOLE = 6000;

export class CodeView {
  readonly node: HTMLElement;
  private readonly text: HTMLElement;
  private open: HTMLElement;
  private code = '';
  private settled = 0;
  private colored = true;

  constructor(
    private readonly language: string,
    private readonly services: Services
  ) {
    this.text = el('code', language ? `language-${language.replace(/[^\w+#.-]/g, '')}` : '');
    this.open = el('span');
    this.text.append(this.open);
    this.node = frame(el('pre', '', this.text), () => this.code.replace(/\n$/, ''), services, language);
  }

  /** The element that a caret is in. */
  get end(): HTMLElement {
    return this.open;
  }

  async update(code: string, finished: boolean): Promise<void> {
    this.code = code;
    const one = code.length <= WHOLE;
    if (finished && one && this.settled > 0) {
      this.text.replaceChildren((this.open = el('span')));
      this.settled = 0;
    }
    while (!(finished && one) && code.length - this.settled > SEGMENT) {
      const cut = segmentEnd(code, this.settled);
      await this.paint(code.slice(this.settled, cut));
      this.settled = cut;
      this.text.append((this.open = el('span')));
    }
    const rest = code.slice(this.settled);
    await this.paint(finished ? rest.replace(/\n$/, '') : rest);
  }

  private async paint(text: string): Promise<void> {
    if (this.colored && this.services.highlight && this.language) {
      const fresh = el('span');
      this.colored = await this.services.highlight(text, this.language, fresh);
      if (this.colored) {
        this.open.replaceWith(fresh);
        this.open = fresh;
        return;
      }
    }
    const node = this.open.firstChild;
    if (node instanceof Text && this.open.childNodes.length === 1 && text.startsWith(node.data)) {
      node.appendData(text.slice(node.data.length));
    } else {
      this.open.textContent = text;
    }
  }
}

/** A place to cut: before a line at the left margin that follows a blank one, else after any line, else anywhere. */
function segmentEnd(code: string, from: number): number {
  const part = code.slice(from, from + SEGMENT);
  const statement = /[^]*\n[ \t]*\n(?=\S|$)/.exec(part);
  if (statement && statement[0].length > SEGMENT / 4) {
    return from + statement[0].length;
  }
  const line = part.lastIndexOf('\n') + 1;
  return from + (line || SEGMENT);
}

/** A `pre` in its frame, with what can be done with it. */
export function frame(pre: HTMLElement, code: () => string, services: Services, language = ''): HTMLElement {
  const node = el('div', 'cj-code');
  const actions = el('div', 'cj-acts', el('span', 'cj-lang', language));
  if (services.insertBelow) {
    actions.append(button('cj-btn cj-insert', 'Insert below', () => services.insertBelow!(code(), node)));
  }
  const copier = button('cj-btn', 'Copy', () => copy(copier, code(), services));
  actions.append(copier);
  for (const action of actions.querySelectorAll('button')) {
    action.disabled = services.untrusted !== undefined;
    action.title = services.untrusted ?? '';
  }
  pre.tabIndex = 0; // scrolls by keyboard
  node.append(actions, pre);
  return node;
}

/** Copy a text, and say on the button whether that was allowed. */
export function copy(node: HTMLElement, text: string, services: Services): void {
  services.copy(text).then(
    () => flash(node, 'Copied'),
    () => flash(node, 'Not allowed to copy')
  );
}

function flash(node: HTMLElement, text: string): void {
  const before = node.textContent;
  node.textContent = text;
  setTimeout(() => (node.textContent = before), 1200);
}
