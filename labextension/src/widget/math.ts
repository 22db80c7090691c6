/** Mathematics in Markdown: taken out before marked could read `_` and `*` in it, and shown as TeX if nothing typesets. */

import type { MarkedExtension, Tokens } from 'marked';

const INLINE = /^(?:\$(?![\s$])((?:\\.|[^\\$\n])*?)(?<!\s)\$(?!\d)|\\\(([^]+?)\\\))/;
const BLOCK = /^ {0,3}(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\]|(\\begin\{([a-z]+\*?)\}[^]+?\\end\{\4\}))[ \t]*(?:\n|$)/;
const INLINE_BLOCK = /^\$\$((?:\\.|[^\\$])+?)\$\$/;

const escape = (text: string): string => text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

function tex(token: Tokens.Generic): string {
  const code = `<code class="cj-tex">${escape(String(token.tex))}</code>`;
  return token.type === 'blockMath' ? `<div class="cj-math">${code}</div>\n` : code;
}

export const mathematics: MarkedExtension = {
  extensions: [
    {
      name: 'blockMath',
      level: 'block',
      start: src => /^ {0,3}(?:\$\$|\\\[|\\begin\{)/m.exec(src)?.index,
      tokenizer(src) {
        const match = BLOCK.exec(src);
        return match ? { type: 'blockMath', raw: match[0], tex: (match[1] ?? match[2] ?? match[3]).trim() } : undefined;
      },
      renderer: tex
    },
    {
      name: 'math',
      level: 'inline',
      start: src => /\$|\\\(/.exec(src)?.index,
      tokenizer(src) {
        const match = INLINE_BLOCK.exec(src) ?? INLINE.exec(src);
        return match ? { type: 'math', raw: match[0], tex: match[1] ?? match[2] } : undefined;
      },
      renderer: tex
    }
  ]
};
