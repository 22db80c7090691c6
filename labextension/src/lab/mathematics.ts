/**
 * What is mathematics in an answer, and what is not. Prices are no formulas: JupyterLab takes `$5 to $` in "from $5 to $7" for one; here
 * Pandoc's rule holds, as in the widget: a `$` opens before a character that is no blank, and closes behind such a one if no digit
 * follows. `\(x\)`, and `\[x\]` in lines of its own, are formulas, as models write them; JupyterLab takes the backslashes for escapes.
 */

import { el } from '../answer/dom';

const MARK = '\ue524'; // stands for a dollar that is one, on its way through the parser

/** What is read as one thing, first come first served. */
const TOKENS = new RegExp(
  [
    /(?<fence>`{3,}|~{3,})[^]*?(?:\k<fence>|(?![^]))/, // a fence
    /(?<ticks>`+)(?!`)[^]*?[^`]\k<ticks>(?!`)/, // a code span
    /\\begin\{(?<name>[a-z]+\*?)\}[^]*?\\end\{\k<name>\}/,
    /\\\((?:[^$\n]|\n(?!\s*\n))+?\\\)/,
    /(?<=^[ \t>]*)\\\[(?:[^$\n]|\n(?!\s*\n))+?\\\](?=[ \t]*$)/,
    /\\[^]/, // an escape
    /\]\([^)\n]*\)|https?:\/\/[^\s<]*/, // an address
    /\$\$[^]*?\$\$/,
    /\$(?![\s$])(?:\\.|[^\\$\n]|\n(?!\s*\n))*?(?<!\s)\$(?!\d)/,
    /\$/
  ].map(({ source }) => source).join('|'),
  'gm'
);

/**
 * Markdown in which JupyterLab's rule finds what ours does: a dollar that is one is marked, an escaped one too. In a formula `<` gets a
 * blank behind it, as in the stored Markdown, so that it is not a tag to anybody.
 */
export function markMathematics(markdown: string): string {
  if (!/\$|\\[([b]/.test(markdown) || markdown.includes(MARK)) {
    return markdown;
  }
  return markdown.replace(TOKENS, token => {
    if (token === '$' || token === '\\$') {
      return MARK;
    }
    const backslashed = /^\\([([])([^]+)\\[^]$/.exec(token);
    const marks = backslashed?.[1] === '(' ? '$' : '$$';
    const formula = backslashed ? `${marks}${backslashed[2]}${marks}` : token;
    return /^(?:\$|\\begin)/.test(formula) ? formula.replace(/<(?=[a-z/!?])/gi, '< ') : token;
  });
}

/** Each in an element of its own: mathematics is not looked for across elements. */
export function unmarkDollars(node: HTMLElement): void {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const marked: Text[] = [];
  while (walker.nextNode()) {
    if ((walker.currentNode as Text).data.includes(MARK)) {
      marked.push(walker.currentNode as Text);
    }
  }
  for (const text of marked) {
    const parts = text.data.split(MARK);
    text.replaceWith(...parts.flatMap((part, i) => (i ? [el('span', '', '$'), part] : [part])));
  }
}
