import { describe, expect, it } from 'vitest';
import * as format from '../src/format';
import { readState } from '../src/state';
import type { Usage } from '../src/protocol';

const usage = (more: Partial<Usage> = {}): Usage => ({
  input: 0, output: 418, cache_read: 1936, cache_write_5m: 3592, cache_write_1h: 0, ...more
});

describe('money', () => {
  it.each([
    ['0.0134', '$0.0134'], ['1.98', '$1.98'], ['0', '$0'], ['0.00001', '< $0.0001'], ['0.00005', '< $0.0001'], ['0.5', '$0.500'],
    ['1234.5', '$1,234.50'], ['1234567.891', '$1,234,567.89'], ['1E-7', '< $0.0001'], ['1.2E-3', '$0.0012'],
    ['0.00125', '$0.0012'], ['0.00135', '$0.0014'], ['0.0125', '$0.0125'], ['0.1005', '$0.100'], ['2.675', '$2.68']
  ])('%s is shown as %s, as Python shows it', (usd, shown) => expect(format.dollars(usd)).toBe(shown));

  it('says when it is a lower bound or not known', () => {
    expect(format.dollars('0.0051', true)).toBe('≥ $0.0051');
    expect(format.dollars('0.0000312', true)).toBe('≥ $0.00003');
    expect(format.dollars('1E-7', true)).toBe('≥ $0.0000001');
    expect(format.dollars('0', true)).toBe('≥ $0');
    expect(format.dollars(null)).toBe('price unknown');
    expect(format.dollars('')).toBe('price unknown');
    expect(format.dollars('abc')).toBe('price unknown');
  });

  it.each([
    ['0', ''], ['0.01', 'demo $0.0100, nothing billed']
  ])('says what the demo model would have cost beside what was billed: %s', (free, said) => {
    expect(format.unbilled({ unbilled: Number(free) })).toBe(said);
  });

  it.each([
    [{ cost: '0.0134', unbilled: 0 }, '$0.0134'],
    [{ cost: '0', unbilled: 0.0134 }, 'demo $0.0134'],
    [{ cost: '0', unbilled: 0 }, '$0'],
    [{ cost: null, unbilled: 0 }, 'price unknown'],
    [{ cost: '0.0134', unbilled: 0, counted: false }, '($0.0134)']
  ])('says the price of a row: %j', (row, said) => {
    expect(format.rowPrice(row)).toBe(said);
  });

  it('reads rows that add up to the total', () => {
    const sum = (cost: string, unbilled = '0'): object => ({ calls: 1, tokens: 5, cost, unbilled, estimated: false });
    const turn = (cost: string, counted = true, unbilled = '0'): object => ({ turn: 1, cost, unbilled, counted });
    const state = readState({
      op: 'state',
      kernel: sum('0.03'),
      notebook: sum('0.07', '0.02'),
      turns: [turn('0.01'), turn('0', true, '0.02'), turn('0.9', false)],
      others: [{ label: 'map', ...sum('0.02') }, { label: 'this notebook in earlier kernels', ...sum('0.04') }]
    })!;
    const rows = [...state.turns.filter(row => row.counted), ...state.others];
    expect(rows.reduce((usd, row) => usd + Number(row.cost), 0)).toBeCloseTo(Number(state.notebook!.cost));
    expect(rows.reduce((usd, row) => usd + row.unbilled, 0)).toBeCloseTo(state.notebook!.unbilled);
    expect(format.dollars(state.notebook!.cost)).toBe('$0.0700');
    expect(state.others.map(row => row.label)).toEqual(['map', 'this notebook in earlier kernels']);
  });

  it('explains a price', () => {
    const lines = format.priceDetails({ usage: usage(), cost: '0.0134', estimated: true, provider: 'demo', billed: true, replayed: false, saved: null });
    expect(lines).toContain('cache read 1,936 · cache write, 5 minutes 3,592 · output 418');
    expect(lines).toContain('lower bound');
    expect(lines).toContain('nothing was billed');
    const told = { usage: usage(), cost: '0.0134', estimated: false, provider: 'anthropic', billed: true, replayed: false };
    expect(format.priceDetails({ ...told, saved: '0.0037' })).toContain('Caching saved $0.0037');
    expect(format.priceDetails({ ...told, saved: '-0.0018' })).toContain('cost $0.0018 more');
  });
});

describe('tokens', () => {
  it('are a line of facts', () => {
    expect(format.tokens(usage())).toBe('5,528 in · 418 out · 35 % from cache');
    expect(format.tokens(usage(), { saved: '0.0037' })).toBe('5,528 in · 418 out · 35 % from cache, saved $0.0037');
    expect(format.tokens(usage(), { saved: '-0.0018' })).toBe('5,528 in · 418 out · 35 % from cache');
    expect(format.tokens(usage({ cache_read: 0, input: 1936 }), { live: true })).toBe('5,528 in · ~418 out');
    expect(format.tokens(usage({ cache_read: 0 }), { estimated: true })).toBe('≥ 3,592 in · ~418 out');
    expect(format.tokens(usage({ cache_read: 0 }), { rewritten: 3592 })).toBe('3,592 in · 418 out · cache had expired, 3,592 tokens written again');
  });
});

describe('names and times', () => {
  it.each([
    ['claude-sonnet-5-5', 'sonnet-5.5'], ['claude-haiku-4-5-20251001', 'haiku-4.5'], ['claude-opus-5', 'opus-5'],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'sonnet-4.5'], ['claude-sonnet-4-5@20250929', 'sonnet-4.5'],
    ['claude-mythos-preview', 'mythos-preview'], ['something-else', 'something-else']
  ])('%s is short for %s', (id, short) => expect(format.shortModel(id)).toBe(short));

  it('counts seconds', () => {
    expect([0.21, 9.1, 9.96, 42.3, 99.6, 130].map(format.seconds)).toEqual(['0.2 s', '9.1 s', '10.0 s', '42 s', '1 min 40 s', '2 min 10 s']);
    expect([0, 4.9, 130].map(format.clock)).toEqual(['0 s', '4 s', '2 min 10 s']);
  });
});
