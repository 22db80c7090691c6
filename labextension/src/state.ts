/** What a kernel tells of its conversations and costs. Pure; read as carefully as an answer, since any kernel may send it. */

import { MIME, readAnswer } from './protocol';

export interface Sum {
  calls: number;
  tokens: number;
  /** USD, or null where a price is unknown. */
  cost: string | null;
  /** USD of it that the demo model and replays would have cost. */
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
  /** What was attached, and other facts, for the second line. */
  facts: string;
  cost: string | null;
  hidden: boolean;
  /** Earlier turns are not sent from here on. */
  starts: boolean;
  /** Seconds since its answer ended, or null. */
  age: number | null;
  /** USD by part, for the chart. */
  parts: { output: number; input: number; cache: number };
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
  chat: string;
  chats: string[];
  /** Whether the next question begins afresh. */
  afresh: boolean;
  turns: TurnSummary[];
  /** What the last command of the panel did, where nothing else shows it. */
  note: string;
  /** Whose kernel it is, as the ledger names people. */
  user: string;
  /** Whether the notebook's metadata shall hold its running total. */
  notebook_totals: boolean;
}

/** A finished answer as it stands in an output. */
export interface Bundle {
  id: string;
  data: Record<string, string | object>;
  metadata: Record<string, unknown>;
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
    facts: str(data.facts),
    cost: money(data.cost),
    hidden: data.hidden === true,
    starts: data.starts === true,
    age: typeof data.age === 'number' && isFinite(data.age) ? data.age : null,
    parts: { output: num(parts.output), input: num(parts.input), cache: num(parts.cache) }
  };
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
    chat: str(data.chat) || 'main',
    chats: list(data.chats).map(str).filter(Boolean),
    afresh: data.afresh === true,
    turns: list(data.turns).map(turn),
    note: str(data.note),
    user: str(data.user),
    notebook_totals: data.notebook_totals === true
  };
}

/** `{"op": "error"}`: its text, else ''. */
export function readError(value: unknown): string {
  const data = dict(value);
  return data.op === 'error' ? str(data.text) : '';
}

/** `{"op": "answer"}`, or null. */
export function readBundle(value: unknown): Bundle | null {
  const data = dict(value);
  return data.op === 'answer' ? bundleOf(data.data, data.metadata) : null;
}

/** An output's data with an answer that this version can show, or null. */
export function bundleOf(data: unknown, metadata: unknown): Bundle | null {
  const answer = readAnswer(dict(data)[MIME]);
  return answer && { id: answer.id, data: dict(data) as Bundle['data'], metadata: dict(metadata) };
}
