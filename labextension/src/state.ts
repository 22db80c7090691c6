/** What a kernel tells of its conversations and costs. Pure; read as carefully as an answer, since any kernel may send it. */

import type { Priced } from './kernels';
import { MIME, readAnswer } from './protocol';
import { readWorks, type Works } from './work/works';

export interface Sum {
  calls: number;
  tokens: number;
  /** USD that were billed, or null where a price is unknown. */
  cost: string | null;
  /** USD that the demo model and replays would have cost; not in `cost`. */
  unbilled: number;
  estimated: boolean;
}

export interface TurnSummary {
  turn: number;
  /** The notebook's id of its cell, or ''. */
  cell: string;
  /** The id of its answer, or ''. */
  answer: string;
  /** The first line of the prompt. */
  prompt: string;
  /** The prompt, or the beginning of a very long one. */
  question: string;
  /** What was attached, and other facts, for the second line. */
  facts: string;
  cost: string | null;
  /** USD that it would have cost, of the demo model. */
  unbilled: number;
  /** Whether the totals hold it; false of a turn that was restored from elsewhere. */
  counted: boolean;
  hidden: boolean;
  /** Earlier turns are not sent from here on. */
  starts: boolean;
  /** Seconds since its answer ended, or null. */
  age: number | null;
  /** USD by part, for the chart. */
  parts: { output: number; input: number; cache: number };
}

/** What a total holds besides the turns that are listed. */
export interface Other extends Sum {
  label: string;
}

export interface State {
  kernel: Sum;
  notebook: Sum | null;
  day: Sum | null;
  budget: { kernel: string | null; notebook: string | null; day: string | null };
  context: { used: number; window: number } | null;
  /** Part of the prompt tokens that came from the cache, 0 to 1. */
  cached: number;
  model: string;
  /** What can be chosen instead, with list prices. */
  models: Priced[];
  chat: string;
  chats: string[];
  /** Whether the next question begins afresh. */
  afresh: boolean;
  turns: TurnSummary[];
  others: Other[];
  /** What the last command of the panel did, if nothing else shows it. */
  note: string;
  /** Whose kernel it is, as the ledger names people. */
  user: string;
  /** Whether the notebook's metadata shall hold its running total. */
  notebook_totals: boolean;
  works: Works;
}

/** A finished answer as it appears in an output. */
export interface Bundle {
  id: string;
  data: Record<string, string | object>;
  metadata: Record<string, unknown>;
}

/** The source that a cell would get, as far as it has arrived; or why there is none. */
export interface Change {
  id: string;
  source: string;
  done: boolean;
  error: string;
}

/** What an attachment of an answer carried: a picture as a `data:` URL, or ''. */
export interface Sent {
  text: string;
  image: string;
}

type Dict = Record<string, unknown>;
const dict = (value: unknown): Dict =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Dict) : {};
const num = (value: unknown): number => (typeof value === 'number' && isFinite(value) ? value : 0);
const str = (value: unknown): string => (typeof value === 'string' ? value : '');
const money = (value: unknown): string | null => (typeof value === 'string' && isFinite(Number(value)) ? value : null);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function sum(value: unknown): Sum {
  const data = dict(value);
  return {
    calls: num(data.calls),
    tokens: num(data.tokens),
    cost: money(data.cost),
    unbilled: Number(money(data.unbilled)),
    estimated: data.estimated === true
  };
}

function turn(value: unknown): TurnSummary {
  const data = dict(value);
  const parts = dict(data.parts);
  return {
    turn: num(data.turn),
    cell: str(data.cell),
    answer: str(data.answer),
    prompt: str(data.prompt),
    question: str(data.question) || str(data.prompt),
    facts: str(data.facts),
    cost: money(data.cost),
    unbilled: Number(money(data.unbilled)),
    counted: data.counted !== false,
    hidden: data.hidden === true,
    starts: data.starts === true,
    age: typeof data.age === 'number' && isFinite(data.age) ? data.age : null,
    parts: { output: num(parts.output), input: num(parts.input), cache: num(parts.cache) }
  };
}

function priced(value: unknown): Priced {
  const data = dict(value);
  const rate = (amount: unknown): number | null => (typeof amount === 'number' && isFinite(amount) ? amount : null);
  return { id: str(data.id), input: rate(data.input), output: rate(data.output) };
}

export function readState(value: unknown): State | null {
  const data = dict(value);
  if (data.op !== 'state') {
    return null;
  }
  const budget = dict(data.budget);
  const context = dict(data.context);
  return {
    kernel: sum(data.kernel),
    notebook: data.notebook ? sum(data.notebook) : null,
    day: data.day ? sum(data.day) : null,
    budget: { kernel: money(budget.kernel), notebook: money(budget.notebook), day: money(budget.day) },
    context: num(context.window) > 0 ? { used: num(context.used), window: num(context.window) } : null,
    cached: num(data.cached),
    model: str(data.model),
    models: list(data.models).map(priced).filter(({ id }) => id),
    chat: str(data.chat) || 'main',
    chats: list(data.chats).map(str).filter(Boolean),
    afresh: data.afresh === true,
    turns: list(data.turns).map(turn),
    others: list(data.others).map(other => ({ ...sum(other), label: str(dict(other).label) })),
    note: str(data.note),
    user: str(data.user),
    notebook_totals: data.notebook_totals === true,
    works: readWorks(data.work)
  };
}

export function readChange(value: unknown): Change | null {
  const data = dict(value);
  return data.op === 'change' ? { id: str(data.id), source: str(data.source), done: data.done === true, error: str(data.error) } : null;
}

/** `{"op": "sent"}`, and which question of the page it answers; or null. */
export function readSent(value: unknown): (Sent & { ask: number }) | null {
  const data = dict(value);
  const image = str(data.image);
  return data.op === 'sent' ? { ask: num(data.ask), text: str(data.text), image: /^data:image\/(?:png|jpeg|gif|webp);base64,/.test(image) ? image : '' } : null;
}

/** `{"op": "error"}`: its text, else ''. */
export function readError(value: unknown): string {
  const data = dict(value);
  return data.op === 'error' ? str(data.text) : '';
}

/** `{"op": "answer"}`, or `{"op": "read"}` where it is only to be read; or null. */
export function readBundle(value: unknown, op: 'answer' | 'read' = 'answer'): Bundle | null {
  const data = dict(value);
  return data.op === op ? bundleOf(data.data, data.metadata) : null;
}

/** An output's data with an answer that this version can show, or null. */
export function bundleOf(data: unknown, metadata: unknown): Bundle | null {
  const answer = readAnswer(dict(data)[MIME]);
  return answer && { id: answer.id, data: dict(data) as Bundle['data'], metadata: dict(metadata) };
}
