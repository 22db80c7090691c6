import { describe, expect, it } from 'vitest';
import { bracesIn, promptOf } from '../src/cells/prompt';

describe('a prompt cell', () => {
  it.each(['%%claude', '%%claude\nhi', '%%claude sales -m opus\nhi', '# why\n\n%%claude\nhi', '\n%%claude'])('is %j', source => {
    const found = promptOf(source)!;
    expect(source.slice(found.from, found.magicEnd)).toBe('%%claude');
  });

  it.each(['', 'x = 1', '%claude hi', '%%claudex', '%%claude?', '%%claude_fix', 'x\n%%claude', ' x\n%%claude'])('is not %j', source =>
    expect(promptOf(source)).toBeNull()
  );

  it('marks its option line', () => {
    const source = '# c\n%%claude sales -n\nbody';
    const found = promptOf(source)!;
    expect(source.slice(found.magicEnd, found.lineEnd)).toBe(' sales -n');
  });
});

describe('values in a prompt', () => {
  it.each([
    ['Why does {region} dip?', ['{region}']],
    ['{a.b} and {rows[0]["x"]} and {x:.2f}', ['{a.b}', '{rows[0]["x"]}', '{x:.2f}']],
    ['{"json": 1} {{x}} { x } {f(x)} {', []],
    ['$\\bar{x}$ and \\frac{a}{b} and x^{n}', []],
    ['$$\n{x}\n$$\n```\n{y}\n```\n{z}', ['{z}']],
    ['costs $5 and {x} costs $6', ['{x}']]
  ])('%j', (text, found) => expect(bracesIn(text).map(b => text.slice(b.from, b.to))).toEqual(found));
});
