import { describe, expect, it } from 'vitest';
import { Splitter, type Piece } from '../src/answer/blocks';

function split(text: string, step = text.length): Piece[] {
  const splitter = new Splitter();
  const pieces: Piece[] = [];
  for (let i = 0; i < text.length; i += step) {
    splitter.push(text.slice(i, i + step));
    pieces.push(...splitter.take());
  }
  splitter.finish();
  return [...pieces, ...splitter.take()];
}
const kinds = (text: string): string[] => split(text).map(p => p.kind);

const SAMPLE = `# Title
Intro with **bold** text
over two lines.

- one

  more of one
- two
\`\`\`python
x = 1

y = 2
\`\`\`
After code.

| a | b |
|---|--:|
| 1 | 2 |

$$
x = 1

+ 2
$$

> quoted

1. first
   \`\`\`sql
   select 1
   \`\`\`
2. second

Setext
------
done`;

describe('Splitter', () => {
  it('finds the blocks of an answer', () => {
    expect(kinds(SAMPLE)).toEqual([
      'heading', 'text', 'list', 'fence', 'text', 'table', 'text', 'quote', 'list', 'text', 'text'
    ]);
  });

  it('gives the same pieces however the text is chopped', () => {
    const whole = split(SAMPLE).map(p => p.src);
    for (const step of [1, 2, 3, 7, 50]) {
      expect(split(SAMPLE, step).map(p => p.src)).toEqual(whole);
    }
  });

  it('loses no letter', () => {
    expect(split(SAMPLE, 5).map(p => p.src).join('').replace(/\n+/g, '\n')).toBe((SAMPLE + '\n').replace(/\n+/g, '\n'));
  });

  it('knows language and code of a fence, open or closed', () => {
    const splitter = new Splitter();
    splitter.push('```python title="x"\na = 1\n``');
    expect(splitter.tail()).toMatchObject({ kind: 'fence', lang: 'python', code: 'a = 1\n' });
    splitter.push('`\n');
    expect(splitter.take()[0]).toMatchObject({ kind: 'fence', lang: 'python', code: 'a = 1\n' });
    expect(splitter.tail()).toBeNull();
  });

  it('finishes a paragraph and a quote at their blank line, before anything follows', () => {
    const splitter = new Splitter();
    splitter.push('One $x$.\n\n> Two\n\n- three\n\n');
    expect(splitter.take().map(p => p.src)).toEqual(['One $x$.\n\n', '> Two\n\n']);
  });

  it('does not end a block of code at a shorter fence or a blank line', () => {
    expect(split('````md\n```\n\n# no\n```\n````\n').map(p => p.code)).toEqual(['```\n\n# no\n```\n']);
  });

  it('shows the code of a fence that never closes', () => {
    expect(split('```r\nx <- 1').map(p => p.code)).toEqual(['x <- 1\n']);
  });

  it('ends a fence inside an item with its item', () => {
    expect(kinds('- a\n\n  ```\n  x\n```\ntext\n```\n')).toEqual(['list', 'fence']);
  });

  it('cuts a long table and repeats its header', () => {
    const rows = Array.from({ length: 300 }, (_, i) => `| ${i} | some text here |`).join('\n');
    const pieces = split(`| n | t |\n|---|---|\n${rows}\n\nend`, 9);
    const tables = pieces.filter(p => p.kind === 'table');
    expect(tables.length).toBeGreaterThan(3);
    expect(tables.map(p => p.glue)).toEqual(tables.map((_, i) => i > 0));
    expect(tables.every(p => p.src.startsWith('| n | t |\n|---|---|\n'))).toBe(true);
    expect(tables.map(p => p.src.trim().split('\n').length - 2).reduce((a, b) => a + b)).toBe(300);
  });

  it('cuts a long list between items and a long paragraph between sentences', () => {
    const list = split(Array.from({ length: 200 }, (_, i) => `${i + 1}. item number ${i + 1}`).join('\n'), 11);
    expect(list.length).toBeGreaterThan(2);
    expect(list.slice(1).every(p => p.glue && p.kind === 'list')).toBe(true);
    const paragraph = split('This is a sentence with *stress* in it. '.repeat(1000), 13);
    expect(paragraph.length).toBeGreaterThan(5);
    expect(Math.max(...paragraph.map(p => p.src.length))).toBeLessThan(4000);
    expect(paragraph.map(p => p.src).join('').trim()).toBe('This is a sentence with *stress* in it. '.repeat(1000).trim());
  });

  it('is not led astray by a lone $$', () => {
    const pieces = split('It costs $$ a lot.\n\n' + 'More text here.\n\n'.repeat(500));
    expect(Math.max(...pieces.map(p => p.src.length))).toBeLessThan(4000);
  });
});
