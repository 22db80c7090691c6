// @vitest-environment jsdom
import { removeMath } from '@jupyterlab/rendermime/lib/latex';
import { describe, expect, it } from 'vitest';
import { inertMarkdown } from '../src/lab/inert';
import { markMathematics, unmarkDollars } from '../src/lab/mathematics';

const formulas = (markdown: string): string[] => removeMath(inertMarkdown(markMathematics(markdown))).math;

describe('a dollar', () => {
  it.each([
    'It costs $5 to $7, or $8.', 'from **$5** to **$7**', '$1,000-$2,000 a month', 'US$ 5 and US$ 6', '| $5 | $7 |', 'a $ b $ c'
  ])('is a dollar in %j', text => expect(formulas(text)).toEqual([]));

  it.each([
    ['$x$ costs $5', ['$x$']], ['$x_i^2$-th, $5, $y$', ['$x_i^2$', '$y$']], ['$$\na\n$$ for $5', ['$$\na\n$$']], ['$\\$5 + x$', ['$\\$5 + x$']]
  ])('sets mathematics in %j', (text, found) => expect(formulas(text)).toEqual(found));

  it.each([
    ['where \\(x_i * y_i\\) is', ['$x_i * y_i$']],
    ['so\n\n\\[\n\\int_0^1 f(x)\\,dx\n\\]\n\nthen', ['$$\n\\int_0^1 f(x)\\,dx\n$$']],
    ['1. so\n\n   \\[ a_1 \\]\n', ['$$ a_1 $$']],
    ['$a<b$, \\(p<q\\), $$c<d$$', ['$a&lt; b$', '$p&lt; q$', '$$c&lt; d$$']],
    ['\\begin{align}a<b\\end{align}', ['\\begin{align}a&lt; b\\end{align}']],
    ['see \\[1\\] and \\(not closed', []],
    ['`\\(x\\)`\n\n```tex\n\\[\nx\n\\]\n```\n', []]
  ])('is also what models put between backslashes, in %j', (text, found) => expect(formulas(text)).toEqual(found));

  it('stays where it was, in code and addresses too', () => {
    expect(markMathematics('\\$5 to \\$7')).toBe(markMathematics('$5 to $7')); // else the page's typesetter finds "5 to" between the two
    const text = '`$5` and `$x`\n```sh\necho $HOME $PATH\n```\n[a](https://a.example/?q=$5) https://a.example/$5';
    expect(markMathematics(text)).toBe(text);
    const node = document.createElement('p');
    node.textContent = markMathematics('It costs $5 to $7.');
    unmarkDollars(node);
    expect(node.textContent).toBe('It costs $5 to $7.');
    expect(node.querySelectorAll('span')).toHaveLength(2);
  });
});
