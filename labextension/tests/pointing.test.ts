import { describe, expect, it } from 'vitest';
import { askAbout, explain, fix, type Seen } from '../src/cells/pointing';

const cell = (ran: number | null, kind?: Seen['outputs'][number]['kind'], more: Partial<Seen> = {}): Seen => ({
  source: `f(${ran})`, code: true, asks: false, ran, noticed: ran !== null, outputs: kind ? [{ kind, text: 'its output' }] : [], ...more
});
const question = cell(9, undefined, { asks: true });

describe('a button points at its own cell or output', () => {
  it('by the options of the magic, where it is among the newest', () => {
    expect(askAbout([cell(1), cell(2), question], 1).source).toBe('%%claude -l\n');
    expect(askAbout([cell(1), cell(2), question], 0).source).toBe('%%claude -l 2\nAbout `In [1]`: ');
    expect(explain([cell(1, 'text'), question], 0, 0).source).toBe('%%claude -l\nExplain this output.');
    expect(explain([cell(1, 'text'), cell(2)], 0, 0).source).toBe('%%claude -l 2\nExplain the output of `In [1]`.');
    expect(fix([cell(1, 'error'), cell(2)], 0, 0).source).toMatch(/^%%claude -e\nWhy does this fail/);
  });

  it('by name, where it is a value; by its number, where it is a picture', () => {
    expect(explain([cell(1, 'value'), cell(2), cell(3), cell(4), cell(5)], 0, 0).source).toBe('%%claude Out[1]\nExplain this output.');
    expect(explain([cell(1, 'image'), cell(2)], 0, 0).source).toBe('%%claude -p\nExplain this picture.');
    expect(explain([cell(1, 'image'), cell(2, 'image')], 0, 0).source).toBe('%%claude -p 2\nExplain the first of these pictures, of `In [1]`.');
  });

  it('by quoting it, where the kernel would send another: an older error, a cell that it never ran', () => {
    const old = fix([cell(1, 'error'), cell(2, 'error')], 0, 0);
    expect(old.source).toMatch(/^%%claude\nWhy does this fail.*\n\n```python\nf\(1\)\n```\n\n```text\nits output\n```$/);
    expect(old.source.slice(0, old.caret)).toMatch(/how do I fix it\?$/);
    expect(explain([cell(null, 'value')], 0, 0).source).toContain('```text\nits output\n```');
    expect(askAbout([cell(null)], 0)).toEqual({ source: '%%claude\n\n\n```python\nf(null)\n```', caret: 9 });
    expect(askAbout([cell(null, 'text')], 0).source).toBe('%%claude\n\n\n```python\nf(null)\n```\n\n```text\nits output\n```');
    expect(askAbout([cell(null, undefined, { code: false, source: '# A\n```\nx\n```' })], 0).source).toContain('````markdown\n# A');
  });

  it('by what the magic can still see, where the cell ran before it was there', () => {
    const before = { noticed: false };
    expect(askAbout([cell(1, 'text', before)], 0).source).toMatch(/^%%claude\n\n\n```python\nf\(1\)\n```\n\n```text\nits output/);
    expect(explain([cell(1, 'text', before)], 0, 0).source).toMatch(/^%%claude\nExplain this output.\n\n```python/);
    expect(explain([cell(1, 'value', before)], 0, 0).source).toBe('%%claude Out[1]\nExplain this output.');
    expect(fix([cell(1, 'error', before)], 0, 0).source).toMatch(/^%%claude -e\n/);
    expect(explain([cell(1, 'image', before), cell(2, 'image', before)], 0, 0)).toMatchObject({ source: '%%claude -p\nExplain this picture.', again: true });
  });
});
