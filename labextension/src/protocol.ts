/**
 * The answer JSON and the messages of a live answer, as `claude_jupyter/answer/codec.py` writes them. Pure: no DOM.
 * What comes from a notebook file may be cut, edited or hostile, so everything is read through the functions here.
 */

export const MIME = 'application/vnd.claude-jupyter.answer+json';
/** A corrected cell, with what would change (`%claude_fix`). */
export const FIX = 'application/vnd.claude-jupyter.fix+json';
export const VERSION = 1;

export const LEVELS = ['info', 'warning', 'stopped', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export interface Usage {
  input: number;
  output: number;
  cache_read: number;
  cache_write_5m: number;
  cache_write_1h: number;
}

export interface TextBlock {
  type: 'text';
  /** The text itself (live), or its range in code points of `text/markdown` (saved). */
  text?: string;
  start?: number;
  end?: number;
  /** Code points of its text in `text/plain`, if there are several texts. */
  length?: number;
}
export interface ThinkingBlock {
  type: 'thinking';
  text: string;
  seconds: number | null;
}
export interface ToolBlock {
  type: 'tool';
  name: string;
  kind: string;
  input: unknown;
  result: unknown;
  error: string | null;
  seconds: number | null;
  /** What its result costs each time it is sent; 0 and empty if that is not told. */
  tokens: number;
  price: string;
}
export interface CitationBlock {
  type: 'citation';
  n: number;
  title: string;
  url: string;
  cited: string;
  /** Of a document: first and last page of the quote, from 1. */
  pages?: [number, number];
  /** Of a text: start and end of the quote in characters, from 0, the end excluded. */
  characters?: [number, number];
}
export interface NoticeBlock {
  type: 'notice';
  level: Level;
  text: string;
}
/** What happened to a cell that Claude proposed. */
export interface StepBlock {
  type: 'step';
  number: number;
  title: string;
  approval: string;
  /** Names by what happened to them: `added`, `changed`, `removed`. */
  changed: Record<'added' | 'changed' | 'removed', string[]>;
  error: string | null;
  /** As it came. */
  data: unknown;
}
/** Of a kind that this version does not know: it is skipped, and written again as it came. */
export interface UnknownBlock {
  type: 'unknown';
  data: unknown;
}
export type Block = TextBlock | ThinkingBlock | ToolBlock | CitationBlock | NoticeBlock | StepBlock | UnknownBlock;

export interface Attachment {
  label: string;
  kind: string;
  tokens: number;
  sent: string;
  size: [number, number] | null;
  thumbnail: string | null;
}

export interface Answer {
  id: string;
  chat: string;
  turn: number;
  model: string;
  provider: string;
  blocks: Block[];
  attachments: Attachment[];
  usage: Usage;
  cost: string | null;
  estimated: boolean;
  complete: boolean;
  billed: boolean;
  stop_reason: string | null;
  started: string | null;
  seconds: number;
  replayed: boolean;
  /** Whether it is not a part of the history, and whether the history begins with it. */
  once: boolean;
  starts: boolean;
  /** What caching saved, in USD; negative where an entry was written and not read yet; null where it changed nothing. */
  saved: string | null;
  /** Tokens that were paid for again because the cache had expired. */
  rewritten: number;
}

export type Op =
  | { op: 'put'; b: number; block: Block }
  | { op: 'add'; b: number; at: number; text: string }
  | { op: 'status'; text: string; until: number | null }
  | { op: 'meter'; usage: Usage; cost: string | null };

type Dict = Record<string, unknown>;

const isDict = (value: unknown): value is Dict =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const str = (value: unknown): string => (typeof value === 'string' ? value : '');
const strOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const num = (value: unknown): number => (typeof value === 'number' && isFinite(value) ? value : 0);
const numOrNull = (value: unknown): number | null =>
  typeof value === 'number' && isFinite(value) ? value : null;
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
function range(value: unknown): [number, number] | null {
  const [first, last, ...more] = list(value);
  const fits = Number.isSafeInteger(first) && Number.isSafeInteger(last) && !more.length;
  return fits && (first as number) >= 0 && (first as number) <= (last as number) ? [first as number, last as number] : null;
}

export function readUsage(data: unknown): Usage {
  const usage = isDict(data) ? data : {};
  return {
    input: num(usage.input),
    output: num(usage.output),
    cache_read: num(usage.cache_read),
    cache_write_5m: num(usage.cache_write_5m),
    cache_write_1h: num(usage.cache_write_1h)
  };
}

const level = (value: unknown): Level =>
  value === 'warn' ? 'warning' : (LEVELS.find(name => name === value) ?? 'info'); // as it was called at first

export function readBlock(data: unknown): Block {
  const read = isDict(data) ? KINDS.get(str(data.type)) : undefined;
  return read ? read(data as Dict) : { type: 'unknown', data };
}

/** How each kind of block is read; what is drawn of it is `answer/parts.ts`'s. */
export const KINDS = new Map<string, (data: Dict) => Block>(Object.entries({
  text: data => {
    const block: TextBlock = { type: 'text' };
    if (typeof data.text === 'string') {
      block.text = data.text;
    }
    if (typeof data.start === 'number' && typeof data.end === 'number') {
      block.start = data.start;
      block.end = data.end;
    }
    return block;
  },
  thinking: data => ({ type: 'thinking', text: str(data.text), seconds: numOrNull(data.seconds) }),
  tool: data => ({
    type: 'tool',
    name: str(data.name),
    kind: str(data.kind),
    input: data.input,
    result: data.result,
    error: errorText(data.error),
    seconds: numOrNull(data.seconds),
    tokens: num(data.tokens),
    price: str(data.price)
  }),
  citation: data => {
    const pages = range(data.pages);
    const characters = range(data.characters);
    return {
      type: 'citation', n: num(data.n), title: str(data.title), url: str(data.url), cited: str(data.cited),
      ...(pages && { pages }), ...(characters && { characters })
    };
  },
  notice: data => ({ type: 'notice', level: level(data.level), text: str(data.text) }),
  step: data => {
    const changed = isDict(data.changed) ? data.changed : {};
    const names = (value: unknown): string[] => (isDict(value) ? Object.keys(value) : list(value).map(str)).filter(Boolean);
    return {
      type: 'step',
      number: num(data.number),
      title: str(data.title),
      approval: str(data.approval),
      changed: { added: names(changed.added), changed: names(changed.changed), removed: names(changed.removed) },
      error: strOrNull(data.error),
      data
    };
  }
} satisfies Record<string, (data: Dict) => Block>));

/** Whether an answer that does not say so was billed. */
export const isBilled = (provider: string, replayed: boolean): boolean => provider !== 'demo' && !replayed;

function errorText(value: unknown): string | null {
  if (value === true) {
    return '';
  }
  return typeof value === 'string' ? value : null;
}

function readAttachment(data: unknown): Attachment | null {
  if (!isDict(data)) {
    return null;
  }
  const size = list(data.size);
  const thumbnail = str(data.thumbnail);
  return {
    label: str(data.label),
    kind: str(data.kind),
    tokens: num(data.tokens),
    sent: str(data.sent),
    size: size.length === 2 ? [num(size[0]), num(size[1])] : null,
    thumbnail: THUMBNAIL.test(thumbnail) ? thumbnail : null
  };
}

// Only images that are in the page already: a thumbnail never makes a request, and SVG could hold anything.
const THUMBNAIL = /^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+$/;

/** The answer JSON, or null if it is not one that this version can show (a newer version, cut, edited). */
export function readAnswer(data: unknown): Answer | null {
  if (!isDict(data) || data.version !== VERSION || typeof data.id !== 'string' || !Array.isArray(data.blocks)) {
    return null;
  }
  const provider = str(data.provider);
  const replayed = data.replayed === true;
  return {
    id: data.id,
    chat: str(data.chat) || 'main',
    turn: num(data.turn),
    model: str(data.model),
    provider,
    blocks: data.blocks.map(readBlock),
    attachments: list(data.attachments).map(readAttachment).filter(a => a !== null),
    usage: readUsage(data.usage),
    cost: strOrNull(data.cost),
    estimated: data.estimated === true,
    complete: data.complete === true,
    billed: typeof data.billed === 'boolean' ? data.billed : isBilled(provider, replayed),
    stop_reason: strOrNull(data.stop_reason),
    started: strOrNull(data.started),
    seconds: num(data.seconds),
    replayed,
    once: data.once === true,
    starts: data.starts === true,
    saved: strOrNull(data.saved),
    rewritten: num(data.rewritten)
  };
}

/** The operations of one live message; what cannot be read is left out. `[b, at, text]` is short for an `add`. */
export function readOps(content: unknown): Op[] {
  const ops: Op[] = [];
  for (const item of list(isDict(content) ? content.ops : null)) {
    const op = Array.isArray(item) ? readAdd(item[0], item[1], item[2]) : isDict(item) ? readOp(item) : null;
    if (op) {
      ops.push(op);
    }
  }
  return ops;
}

function readAdd(b: unknown, at: unknown, text: unknown): Op | null {
  return typeof b === 'number' && typeof at === 'number' && typeof text === 'string'
    ? { op: 'add', b, at, text }
    : null;
}

function readOp(data: Dict): Op | null {
  switch (data.op) {
    case 'put':
      return typeof data.b === 'number' ? { op: 'put', b: data.b, block: readBlock(data.block) } : null;
    case 'add':
      return readAdd(data.b, data.at, data.text);
    case 'status':
      return { op: 'status', text: str(data.text), until: numOrNull(data.until) };
    case 'meter':
      return { op: 'meter', usage: readUsage(data.usage), cost: strOrNull(data.cost) };
    default:
      return null;
  }
}

/** Text blocks as one text, as `join_texts` in Python (`answer/model.py`): what `text/plain` of the saved output holds. */
export function joinTexts(texts: string[]): string {
  return texts.map(withoutMargins).filter(Boolean).join('\n\n');
}

/** What `joinTexts` takes of a text, by its place among them. */
export function withoutMargins(text: string, i: number): string {
  return i ? text.replace(/^\n+|\n+$/g, '') : text;
}

/**
 * The texts of a saved answer's text blocks, cut out of its Markdown by code points.
 *
 * Returns null if a range does not fit, or something is next to them that we did not write (the Markdown was edited, or the
 * answer cut): show the whole Markdown then.
 */
export function textsOf(answer: Answer, markdown: string): Map<number, string> | null {
  const texts = new Map<number, string>();
  const ranges: { index: number; start: number; end: number }[] = [];
  for (const [index, block] of answer.blocks.entries()) {
    if (block.type !== 'text') {
      continue;
    }
    if (block.text !== undefined) {
      texts.set(index, block.text);
    } else if (block.start === undefined || block.end === undefined) {
      return null;
    } else {
      ranges.push({ index, start: block.start, end: block.end });
    }
  }
  let unit = 0;
  let point = 0;
  let done = 0; // the end of the last text, in code units
  const seek = (target: number): boolean => {
    while (point < target && unit < markdown.length) {
      unit += markdown.codePointAt(unit)! > 0xffff ? 2 : 1;
      point += 1;
    }
    return point === target;
  };
  for (const { index, start, end } of ranges) {
    if (!(Number.isInteger(start) && Number.isInteger(end) && start >= point && end >= start)) {
      return null;
    }
    if (!seek(start)) {
      return null;
    }
    const from = unit;
    if (!seek(end)) {
      return null;
    }
    if (unit > from) {
      if (!ours(markdown.slice(done, from), done > 0, true)) {
        return null;
      }
      done = unit;
    }
    texts.set(index, markdown.slice(from, unit));
  }
  return ours(markdown.slice(done), done > 0, false) ? texts : null;
}

/** A quote of a document and its place, as `display/bundle.py` writes it. */
const QUOTE = /^> (?:“.*” — )?\*.*\*, (?:pp?\.|characters) [\d,–]+$/;

/** Whether what comes before, between or after texts is only what a saved answer has there: its label, notices, citations, sources, facts, on lines of their own. */
function ours(between: string, afterText: boolean, beforeText: boolean): boolean {
  const lines = between.split('\n');
  if ((afterText && lines[0] !== '') || (beforeText && lines.at(-1) !== '') || (afterText && beforeText && lines.length < 2)) {
    return false;
  }
  return lines.every(line => /^(?:\*.*\*|- .*|`{3,}|~{3,})?$/.test(line) || QUOTE.test(line));
}
