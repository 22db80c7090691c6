// @vitest-environment jsdom
import { removeMath } from '@jupyterlab/rendermime/lib/latex';
import { describe, expect, it } from 'vitest';
import { markDollars, unmarkDollars } from '../src/lab/dollars';

const formulas = (markdown: string): string[] => removeMath(markDollars(markdown)).math;

describe('a dollar', () => {
  it.each([
    'It costs $5 to $7, or $8.', 'from **$5** to **$7**', '$1,000-$2,000 a month', 'US$ 5 and US$ 6', '| $5 | $7 |', 'a $ b $ c'
  ])('is a dollar in %j', text => expect(formulas(text)).toEqual([]));

  it.each([
    ['$x$ costs $5', ['$x$']], ['$x_i^2$-th, $5, $y$', ['$x_i^2$', '$y$']], ['$$\na\n$$ for $5', ['$$\na\n$$']], ['$\\$5 + x$', ['$\\$5 + x$']]
  ])('sets mathematics in %j', (text, found) => expect(formulas(text)).toEqual(found));

  it('stays where it was, in code and addresses too', () => {
    expect(markDollars('\\$5 to \\$7')).toBe(markDollars('$5 to $7')); // else the page's typesetter finds "5 to" between the two
    const text = '`$5` and `$x`\n```sh\necho $HOME $PATH\n```\n[a](https://a.example/?q=$5) https://a.example/$5';
    expect(markDollars(text)).toBe(text);
    const node = document.createElement('p');
    node.textContent = markDollars('It costs $5 to $7.');
    unmarkDollars(node);
    expect(node.textContent).toBe('It costs $5 to $7.');
    expect(node.querySelectorAll('span')).toHaveLength(2);
  });
});
