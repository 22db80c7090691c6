/**
 * A notebook's running total as its metadata holds it, and what makes it this notebook's. Pure.
 *
 * `id` is `<random>.<place>`: the place is a digest of who runs the notebook and of its path. A total whose place is another's
 * belongs to the notebook that this one was copied from; a rename takes it along.
 */

import type { Sum } from '../state';

export interface Total {
  id: string;
  calls: number;
  tokens: number;
  cost_usd: string | null;
}

export type Amount = Pick<Sum, 'calls' | 'tokens' | 'cost'>;
export const NOTHING: Amount = { calls: 0, tokens: 0, cost: '0' };

export function readTotal(value: unknown): Total | null {
  const { id, calls, tokens, cost_usd: cost } = (typeof value === 'object' && value ? value : {}) as Record<string, unknown>;
  const counts = [calls, tokens].every(n => Number.isSafeInteger(n) && (n as number) >= 0);
  if (typeof id !== 'string' || !/^[0-9a-f]+\.[0-9a-f]+$/.test(id) || !counts) {
    return null;
  }
  const money = typeof cost === 'string' && DECIMAL.test(cost) ? cost : null;
  return { id, calls: calls as number, tokens: tokens as number, cost_usd: money };
}

/** 64 bits of FNV-1a: tells places apart and says nothing of them; nothing secret depends on it. */
export function placeOf(user: string, path: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(`${user}\n${path}`)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash.toString(16).padStart(16, '0');
}

export const amountOf = (total: Total): Amount => ({ calls: total.calls, tokens: total.tokens, cost: total.cost_usd });

export function plus(a: Amount, b: Amount): Amount {
  return { calls: a.calls + b.calls, tokens: a.tokens + b.tokens, cost: money(a.cost, b.cost, 1n) };
}

/** What `a` holds beyond `b`: nothing where `b` has at least as many requests. */
export function beyond(a: Amount, b: Amount): Amount {
  if (a.calls <= b.calls) {
    return NOTHING;
  }
  const cost = money(a.cost, b.cost, -1n);
  return {
    calls: a.calls - b.calls,
    tokens: Math.max(0, a.tokens - b.tokens),
    cost: cost?.startsWith('-') ? '0' : cost
  };
}

const DECIMAL = /^\d{1,15}(?:\.\d{1,30})?$/;
const PLACES = 30;

function money(a: string | null, b: string | null, sign: bigint): string | null {
  if (a === null || b === null || !DECIMAL.test(a) || !DECIMAL.test(b)) {
    return null;
  }
  const sum = scaled(a) + sign * scaled(b);
  const digits = (sum < 0n ? -sum : sum).toString().padStart(PLACES + 1, '0');
  const text = `${digits.slice(0, -PLACES)}.${digits.slice(-PLACES)}`.replace(/\.?0+$/, '');
  return (sum < 0n ? '-' : '') + text;
}

function scaled(decimal: string): bigint {
  const [whole, part = ''] = decimal.split('.');
  return BigInt(whole + part.padEnd(PLACES, '0'));
}
