/** The parts of an answer that are not its text: attachments, thinking, tool calls, sources, notices. */

import { count, seconds } from '../format';
import type { Attachment, CitationBlock, NoticeBlock, ThinkingBlock, ToolBlock } from '../protocol';
import { button, el, hostOf, link, setText, withCode } from './dom';
import type { Advice } from './services';

/** Most characters of a tool's input or result that are shown. */
const MOST = 4000;

/** What an attachment carried: asked for when its chip is opened. */
type Ask = (place: number) => Promise<{ text: string; image: string }>;

/** Chips of what was attached; with `ask` they open what was sent, one at a time. */
export function attachments(items: Attachment[], ask?: Ask): HTMLElement[] {
  const list = el('ul', 'cj-atts');
  const place = el('div', 'cj-sent');
  place.hidden = true;
  list.setAttribute('aria-label', 'Attached');
  for (const [i, item] of items.entries()) {
    const facts = [item.sent, item.tokens ? `${count(item.tokens)} tokens` : ''].filter(Boolean).join(' · ');
    const words = el('span', '', el('b', '', item.label), el('small', '', facts));
    const chip = ask ? button('cj-chip', '', () => void open(i, chip)) : el('span', 'cj-chip');
    chip.append(words);
    if (item.thumbnail) {
      const image = el('img', 'cj-thumb');
      image.src = item.thumbnail;
      image.alt = '';
      chip.prepend(image);
    }
    if (ask) {
      chip.title = 'Show what was sent';
      chip.setAttribute('aria-expanded', 'false');
    }
    list.append(el('li', 'cj-att', chip));
  }
  const open = async (i: number, chip: HTMLElement): Promise<void> => {
    const again = chip.getAttribute('aria-expanded') === 'true';
    list.querySelectorAll('[aria-expanded]').forEach(other => other.setAttribute('aria-expanded', String(other === chip && !again)));
    place.hidden = again;
    if (!again) {
      place.replaceChildren(el('p', 'cj-hint', 'Asking the kernel …'));
      const { text, image } = await ask!(i);
      if (chip.getAttribute('aria-expanded') === 'true') {
        place.replaceChildren(...sent(items[i].label, text, image));
      }
    }
  };
  return [list, place];
}

function sent(label: string, text: string, image: string): HTMLElement[] {
  const parts: HTMLElement[] = [];
  if (image) {
    const picture = el('img');
    picture.src = image;
    picture.alt = `${label}, as it was sent`;
    parts.push(picture);
  }
  if (text) {
    const block = el('pre', 'cj-io', text);
    block.tabIndex = 0; // scrolls by keyboard
    parts.push(block);
  }
  return parts;
}

function folded(className: string): { node: HTMLDetailsElement; summary: HTMLElement; body: HTMLElement } {
  const summary = el('summary');
  const body = el('div', 'cj-body');
  return { node: el('details', `cj-fold ${className}`, summary, body), summary, body };
}

/** Thinking, folded; its text is appended as it comes. */
export class ThinkingView {
  private readonly parts = folded('cj-thinking');
  private readonly text = document.createTextNode('');

  constructor() {
    this.parts.body.append(this.text);
  }

  get node(): HTMLElement {
    return this.parts.node;
  }

  get length(): number {
    return this.text.length;
  }

  push(text: string): void {
    this.text.appendData(text);
    this.node.classList.toggle('cj-empty', this.text.length === 0);
  }

  update(block: ThinkingBlock, live: boolean): void {
    if (block.text !== this.text.data && block.text) {
      this.text.data = block.text;
    }
    const whole = Math.round(block.seconds ?? 0);
    const took = block.seconds === null ? '' : whole < 1 ? ' briefly' : ` for ${seconds(whole).replace('.0 ', ' ')}`;
    setText(this.parts.summary, live && block.seconds === null ? 'Thinking' : `Thought${took}`);
    this.node.classList.toggle('cj-empty', this.text.length === 0);
  }
}

export function tool(block: ToolBlock, live: boolean): HTMLElement {
  const { node, summary, body } = folded('cj-tool');
  const failed = block.error !== null;
  const running = live && !failed && (block.result === undefined || block.result === null) && block.seconds === null;
  const verb = failed ? 'Failed: ' : running ? 'Calling ' : 'Called ';
  const took = block.seconds === null ? '' : ` · ${seconds(block.seconds)}`;
  const price = block.tokens ? [`${count(block.tokens)} tokens`, block.price].filter(Boolean).join(', ') : '';
  if (block.name === 'web_search') {
    const query = isDict(block.input) && typeof block.input.query === 'string' ? block.input.query : '';
    summary.append(running ? 'Searching the web' : 'Searched the web', query ? ` for “${query}”` : '', took);
  } else {
    summary.append(verb, el('code', '', call(block)), took, price && ` · ${price}`);
  }
  node.classList.toggle('cj-failed', failed);
  const full = shortened(block.input);
  if (full.length > 60) {
    body.append(el('pre', 'cj-io', full));
  }
  const result = block.error || shortened(block.result);
  if (result) {
    body.append(el('pre', 'cj-io', result));
  }
  node.classList.toggle('cj-empty', !body.hasChildNodes());
  return node;
}

const isDict = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `name(a=1, b="x")`, short enough for a line. */
function call(block: ToolBlock): string {
  const args = isDict(block.input)
    ? Object.entries(block.input).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    : block.input === undefined || block.input === null ? [] : [JSON.stringify(block.input)];
  const text = args.join(', ');
  return `${block.name}(${text.length > 60 ? text.slice(0, 59) + '…' : text})`;
}

function shortened(value: unknown): string {
  if (value === undefined || value === null || (isDict(value) && !Object.keys(value).length)) {
    return '';
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  return text.length > MOST ? `${text.slice(0, MOST)}\n… ${count(text.length - MOST)} more characters` : text;
}

/** Where a quote is in its document; '' for a web page. */
function place(block: CitationBlock): string {
  if (block.pages) {
    const [first, last] = block.pages;
    return first === last ? `p. ${first}` : `pp. ${first}–${last}`;
  }
  return block.characters ? `characters ${count(block.characters[0] + 1)}–${count(block.characters[1])}` : '';
}

/** A quote of a document, folded below the paragraph that cites it. */
function quote(block: CitationBlock, where: string): HTMLElement {
  const { node, summary, body } = folded('cj-quote');
  summary.append(el('span', 'cj-title', block.title || 'document'), `, ${where}`);
  body.append(el('blockquote', '', block.cited));
  node.classList.toggle('cj-empty', !block.cited);
  return node;
}

/** A source: a web page as a link that names its host, a document as a quote with its place. */
export function citation(block: CitationBlock): HTMLElement {
  const where = place(block);
  if (where) {
    return quote(block, where);
  }
  const host = hostOf(block.url);
  const node = el('li', 'cj-cite', el('span', 'cj-n', String(block.n)), ' ', link(block.url, block.title || host || block.url));
  if (host && block.title) {
    node.append(el('small', '', ` ${host}`));
  }
  if (block.cited) {
    node.title = block.cited;
  }
  return node;
}

const ADVICE: [Advice, string, string][] = [
  ['resume', 'Resume', 'Write claude.resume() in a cell below, to continue from here'],
  ['restore', 'Restore', 'Bring the earlier answers of this notebook back into the conversation']
];

/** One line of plain text; its first sentence carries the color of its level. What it advises is a button where `follow` is given. */
export function notice(block: NoticeBlock, follow?: (advice: Advice) => void, untrusted?: string): HTMLElement {
  const { level } = block;
  const [first, ...rest] = block.text.split('\n');
  const node = el('div', `cj-notice cj-${level}`);
  const split = level === 'error' ? null : /^([^.:`]{1,40}[.:])(\s[^]*)$/.exec(first);
  const line = el('p');
  if (level === 'info') {
    line.append(...withCode(first));
  } else if (split) {
    line.append(el('strong', '', split[1]), ...withCode(split[2]));
  } else {
    line.append(el('strong', '', ...withCode(first)));
  }
  node.append(line, ...rest.filter(text => text.trim()).map(text => el('p', '', ...withCode(text))));
  for (const [advice, label, hint] of follow ? ADVICE : []) {
    if (block.text.includes(`claude.${advice}()`)) {
      const item = button('cj-advice', label, () => follow!(advice));
      item.disabled = untrusted !== undefined;
      item.title = untrusted ?? hint;
      line.append(' ', item);
    }
  }
  if (level === 'error') {
    node.setAttribute('role', 'alert');
  }
  return node;
}
