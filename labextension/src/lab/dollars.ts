/**
 * Prices are no formulas. JupyterLab takes `$5 to $` in "from $5 to $7" for mathematics; here Pandoc's rule holds, as in the widget:
 * a `$` opens before a character that is no blank, and closes behind such a one if no digit follows.
 */

import { el } from '../answer/dom';

const MARK = '\ue524'; // stands for a dollar that is one, on its way through the parser

/** What is kept as it is: code, escapes, addresses, display and inline mathematics; else a dollar is a dollar, an escaped one too. */
const TOKENS =
  /(`{3,}|~{3,})[^]*?(?:\1|$)|(`+)(?!`)[^]*?[^`]\2(?!`)|\\[^]|\]\([^)\n]*\)|https?:\/\/[^\s<]*|\$\$[^]*?\$\$|\$(?![\s$])(?:\\.|[^\\$\n]|\n(?!\s*\n))*?(?<!\s)\$(?!\d)|\$/g;

export function markDollars(markdown: string): string {
  if (!markdown.includes('$') || markdown.includes(MARK)) {
    return markdown;
  }
  return markdown.replace(TOKENS, token => (token === '$' || token === '\\$' ? MARK : token));
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
