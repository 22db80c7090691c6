import { describe, expect, it } from 'vitest';
import { beyond, placeOf, plus, readTotal } from '../src/costs/running';

const sum = (calls: number, cost: string | null): { calls: number; tokens: number; cost: string | null } => ({
  calls, tokens: 10 * calls, cost
});

describe('a notebook knows its running total', () => {
  it('adds and takes away to the last digit', () => {
    expect(plus(sum(1, '0.1'), sum(2, '0.2'))).toEqual(sum(3, '0.3'));
    expect(plus(sum(1, '12345678.000000000001'), sum(0, '0'))).toEqual(sum(1, '12345678.000000000001'));
    expect(beyond(sum(3, '0.3'), sum(1, '0.1'))).toEqual(sum(2, '0.2'));
    expect(beyond(sum(3, '0.1'), sum(1, '0.3')).cost).toBe('0');
  });

  it('does not count what the ledger knows as well', () => {
    expect(beyond(sum(3, '0.3'), sum(3, '0.4'))).toEqual(sum(0, '0'));
    expect(beyond(sum(3, '0.3'), sum(9, '1'))).toEqual(sum(0, '0'));
  });

  it('keeps an unknown price unknown', () => {
    expect(plus(sum(1, null), sum(1, '1')).cost).toBeNull();
    expect(plus(sum(1, '1e5'), sum(1, '1')).cost).toBeNull();
  });

  it('tells places apart by who and where', () => {
    const places = [placeOf('ada', 'a.ipynb'), placeOf('ada', 'b.ipynb'), placeOf('bob', 'a.ipynb')];
    expect(new Set(places).size).toBe(3);
    expect(placeOf('ada', 'a.ipynb')).toMatch(/^[0-9a-f]{16}$/);
  });

  it.each([null, 5, 'x', [], {}, { id: 'x', calls: 1, tokens: 1 }, { id: 'ab.cd', calls: -1, tokens: 1 }, { id: 'ab.cd', calls: 1e99, tokens: 1 }])(
    'takes no total from %j', value => expect(readTotal(value)).toBeNull()
  );

  it('reads a total whose price was edited as of unknown price', () => {
    expect(readTotal({ id: 'ab.cd', calls: 1, tokens: 2, cost_usd: '-1' })).toEqual({ id: 'ab.cd', calls: 1, tokens: 2, cost_usd: null });
  });
});
