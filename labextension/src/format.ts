/** Numbers and names as people read them. Pure. Money follows `dollars` in Python (`costs/usage.py`) to the letter. */

import type { Answer, StepBlock, Usage } from './protocol';
import type { Sum } from './state';

/** `5528` → `5,528`. */
export function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

/** The whole prompt: what was read fresh, from the cache, and written to it. */
export function prompt(usage: Usage): number {
  return usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
}

/** `claude-sonnet-5-5` → `sonnet-5.5`; dated ids and the clouds' spellings too. Unknown names stay. */
export function shortModel(id: string): string {
  const match = /claude-(.+?)(?:-v\d+(?::\d+)?|@\w+)?$/.exec(id);
  if (!match) {
    return id;
  }
  return match[1].replace(/-(20\d{6}|latest)$/, '').replace(/(\d+)-(\d+)$/, '$1.$2');
}

/** `haiku-5.5 · $0.10 in, $0.50 out`, per million tokens. */
export function modelLine({ id, input, output }: { id: string; input: number | null; output: number | null }): string {
  const usd = (rate: number): string => `$${Number.isInteger(rate) ? rate : rate.toFixed(2)}`;
  return `${shortModel(id)} · ${input === null || output === null ? 'price unknown' : `${usd(input)} in, ${usd(output)} out`}`;
}

/** USD at list price: `$0.0134`, `$1.98`, `≥ $0.0051`, `price unknown`. */
export function dollars(usd: string | null, estimated = false): string {
  const value = usd === null || usd.trim() === '' ? NaN : Number(usd);
  if (!isFinite(value)) {
    return 'price unknown';
  }
  if (estimated && value > 0 && value <= TINY) {
    const places = -Number(value.toExponential(0).split('e')[1]);
    return `≥ $${value.toFixed(places)}`; // as a lower bound "< $0.0001" says nothing
  }
  return (estimated ? '≥ ' : '') + dollarText(usd!, value);
}

/** What the demo model would have cost, beside what was billed; '' where it was not asked. */
export function unbilled({ unbilled }: Pick<Sum, 'unbilled'>): string {
  return unbilled > 0 ? `demo ${dollars(String(unbilled))}, nothing billed` : '';
}

/** The price of one row: what was billed, or `demo $0.0134`; in parentheses where no total holds it. */
export function rowPrice({ cost, unbilled, counted = true }: { cost: string | null; unbilled: number; counted?: boolean }): string {
  const text = unbilled > 0 && Number(cost) === 0 ? `demo ${dollars(String(unbilled))}` : dollars(cost);
  return counted ? text : `(${text})`;
}

const TINY = 0.00005; // USD; what four decimals would show as $0.0000

function dollarText(usd: string, value: number): string {
  if (value === 0) {
    return '$0';
  }
  if (value <= TINY) {
    return '< $0.0001';
  }
  const text = fixed(usd, value < 0.1 ? 4 : value < 1 ? 3 : 2);
  return '$' + text.replace(/^\d+/, whole => whole.replace(/\B(?=(\d{3})+$)/g, ','));
}

/** A decimal string with this many places, halves to even as Python's Decimal: floating point would err at some halves. */
function fixed(decimal: string, places: number): string {
  const [, whole, part = '', exponent = '0'] = /^\+?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(decimal.trim()) ?? [];
  if (whole === undefined) {
    return Number(decimal).toFixed(places);
  }
  const drop = part.length - Number(exponent) - places;
  let digits = BigInt(whole + part || '0');
  if (drop > 0) {
    const unit = 10n ** BigInt(drop);
    const rest = digits % unit;
    digits /= unit;
    if (rest * 2n > unit || (rest * 2n === unit && digits % 2n === 1n)) {
      digits += 1n;
    }
  } else {
    digits *= 10n ** BigInt(-drop);
  }
  const text = digits.toString().padStart(places + 1, '0');
  return `${text.slice(0, -places)}.${text.slice(-places)}`;
}

/** `0.21` → `0.2 s`, `9.1` → `9.1 s`, `42.3` → `42 s`, `130` → `2 min 10 s`. */
export function seconds(value: number): string {
  if (value < 10) {
    return `${value.toFixed(1)} s`;
  }
  const whole = Math.round(value);
  return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Whole seconds for a running clock: `4 s`, `2 min 10 s`. */
export function clock(value: number): string {
  const whole = Math.max(0, Math.floor(value));
  return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

interface Told {
  live?: boolean;
  estimated?: boolean;
  saved?: string | null;
  rewritten?: number;
}

/**
 * `5,528 in · 418 out · 35 % from cache, saved $0.0037`; `≥` before a lower bound, `~` before an output that is still a
 * guess. What was saved is said where something was, and what an expired cache cost again.
 */
export function tokens(usage: Usage, { live = false, estimated = false, saved = null, rewritten = 0 }: Told = {}): string {
  const all = prompt(usage);
  const parts = [`${estimated ? '≥ ' : ''}${count(all)} in`];
  parts.push(`${live || estimated ? '~' : ''}${count(usage.output)} out`);
  const cached = all ? Math.round((100 * usage.cache_read) / all) : 0;
  if (cached > 0) {
    parts.push(`${cached} % from cache${Number(saved) > 0 ? `, saved ${dollars(saved)}` : ''}`);
  }
  if (rewritten > 0) {
    parts.push(`cache had expired, ${count(rewritten)} tokens written again`);
  }
  return parts.join(' · ');
}

/** What a price is made of, for its tooltip. */
export function priceDetails(answer: Pick<Answer, 'usage' | 'cost' | 'estimated' | 'provider' | 'billed' | 'replayed' | 'saved'>): string {
  const { usage } = answer;
  const parts: string[] = [];
  const add = (label: string, n: number): void => {
    if (n > 0) {
      parts.push(`${label} ${count(n)}`);
    }
  };
  add('input', usage.input);
  add('cache read', usage.cache_read);
  add('cache write, 5 minutes', usage.cache_write_5m);
  add('cache write, 1 hour', usage.cache_write_1h);
  add('output', usage.output);
  const lines = [answer.cost === null ? 'The list price of this model is not known.' : 'List price in US dollars.'];
  if (parts.length) {
    lines.push(`Tokens: ${parts.join(' · ')}`);
  }
  if (Number(answer.saved) > 0) {
    lines.push(`Caching saved ${dollars(answer.saved)} against the same prompt uncached.`);
  } else if (Number(answer.saved) < 0) {
    lines.push(`Writing the cache cost ${dollars(answer.saved!.replace('-', ''))} more; questions that follow soon read it for less.`);
  }
  if (answer.estimated) {
    lines.push('A lower bound: the service does not report what an interrupted answer used.');
  }
  if (answer.replayed) {
    lines.push('Replayed from a recording: nothing was billed.');
  } else if (!answer.billed || answer.provider === 'demo') {
    lines.push('Offline demo: nothing was billed; this is what the real model would have cost.');
  }
  return lines.join('\n');
}

const APPROVALS: Readonly<Record<string, string>> = {
  run: 'you ran it',
  auto: 'it ran automatically',
  edited: 'you edited and ran it',
  skipped: 'not run'
};

/** What happened to a step: `step 1 · you ran it · new: summer, by_year`, as in the saved Markdown. */
export function stepLine({ number, approval, changed, error }: StepBlock): string {
  const named = (word: string, names: string[]): string => (names.length ? `${word}: ${names.slice(0, 6).join(', ')}` : '');
  return [
    number ? `step ${number}` : 'step',
    APPROVALS[approval] ?? '',
    named('new', changed.added),
    named('changed', changed.changed),
    named('removed', changed.removed),
    error ? `failed: ${error}` : ''
  ]
    .filter(Boolean)
    .join(' · ');
}
