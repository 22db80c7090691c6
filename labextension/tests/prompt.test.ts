import { describe, expect, it } from 'vitest';
import { bracesIn, freeName, optionFor, pathFrom, promptOf, questionOf } from '../src/cells/prompt';

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

describe('files on the line of a prompt', () => {
  it('are named by one word', () => {
    expect(freeName('image.png', [])).toBe('image.png');
    expect(freeName('image.png', ['image.png', 'image-2.png'])).toBe('image-3.png');
    expect(freeName('my notes "1".txt', [])).toBe('my-notes-1-.txt');
    expect(freeName('', [])).toBe('file');
    expect(optionFor('data/sales.csv')).toBe(' -f data/sales.csv');
    expect(optionFor('my data/sales.csv')).toBe(' -f "my data/sales.csv"');
  });

  it('have paths from the folder of the notebook', () => {
    expect(pathFrom('notebook.ipynb', 'a.png')).toBe('a.png');
    expect(pathFrom('work/one/notebook.ipynb', 'work/data/a.png')).toBe('../data/a.png');
    expect(pathFrom('RTC:work/notebook.ipynb', 'work/a.png')).toBe('a.png');
  });
});

describe('a question in one line', () => {
  it.each([
    ['%claude Why is it odd?', '%claude'],
    ['%load_ext claude_jupyter\n%claude --cell 2adcf6a2 What is odd in this?', '%claude --cell 2adcf6a2'],
    ['# about it\n\n%claude --cell 7:2 -m opus Why?\n', '%claude --cell 7:2 -m']
  ])('%j', (source, options) => {
    const found = questionOf(source)!;
    expect(source.slice(found.from, found.lineEnd)).toBe(options);
  });

  it.each(['%claude', '%claudex hi', '%claude Why?\nx = 1', 'x = 1\n%claude Why?', '%%claude\nWhy?', '%claude_fix --cell 7'])('is not %j', source =>
    expect(questionOf(source)).toBeNull()
  );
});
