/** The parts of an answer that are not its text: attachments, thinking, tool calls, sources, notices. */

import { count, seconds } from '../format';
import type { Attachment, CitationBlock, NoticeBlock, ThinkingBlock, ToolBlock } from '../protocol';
import { el, hostOf, link, setText, withCode } from './dom';

/** Most characters of a tool's input or result that are shown. */
const MOST = 4000;

export function attachments(items: Attachment[]): HTMLElement {
  const node = el('ul', 'cj-atts');
  node.setAttribute('aria-label', 'Attached');
  for (const item of items) {
    const facts = [item.sent, item.tokens ? `${count(item.tokens)} tokens` : ''].filter(Boolean).join(' · ');
    const chip = el('li', 'cj-att', el('span', '', el('b', '', item.label), el('small', '', facts)));
    if (item.thumbnail) {
      const image = el('img', 'cj-thumb');
      image.src = item.thumbnail;
      image.alt = '';
      chip.prepend(image);
    }
    node.append(chip);
  }
  return node;
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
  if (block.name === 'web_search') {
    const query = isDict(block.input) && typeof block.input.query === 'string' ? block.input.query : '';
    summary.append(running ? 'Searching the web' : 'Searched the web', query ? ` for “${query}”` : '', took);
  } else {
    summary.append(verb, el('code', '', call(block)), took);
  }
  node.classList.toggle('cj-failed', failed);
  const full = shown(block.input);
  if (full.length > 60) {
    body.append(el('pre', 'cj-io', full));
  }
  const result = block.error || shown(block.result);
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

function shown(value: unknown): string {
  if (value === undefined || value === null || (isDict(value) && !Object.keys(value).length)) {
    return '';
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  return text.length > MOST ? `${text.slice(0, MOST)}\n… ${count(text.length - MOST)} more characters` : text;
}

/** Sources, each a link that names its host. */
export function citation(block: CitationBlock): HTMLElement {
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

/** One line of plain text; its first sentence carries the colour of its level. */
export function notice(block: NoticeBlock): HTMLElement {
  const level = ['info', 'warning', 'stopped', 'error'].includes(block.level) ? block.level : 'info';
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
  if (level === 'error') {
    node.setAttribute('role', 'alert');
  }
  return node;
}
