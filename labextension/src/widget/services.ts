/** Markdown, sanitising and colors where no JupyterLab lends them: marked, DOMPurify, highlight.js. */

import createDOMPurify from 'dompurify';
import { Marked, type Tokens } from 'marked';
import type { Services } from '../answer/services';
import { page } from '../page';
import { highlight } from './highlight';
import { mathematics } from './math';

/** Tags that may pass as typed, without attributes: they cannot do anything. */
const BARE = /^<(?:br ?\/?|\/?(?:sub|sup|kbd))>$/i;

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

const host = (url: string): string => {
  try {
    return new URL(url).host;
  } catch {
    return '';
  }
};

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) =>
      text.replace(/<[^>]*>|[^<]+|</g, part => (BARE.test(part) ? part : escape(part))),
    // Never fetched: a picture in a model's text can carry data to whoever hosts it.
    image: ({ href, text }: Tokens.Image) => {
      const where = host(href);
      const label = where ? `${text} (image: ${where})`.trim() : `${text} (image)`.trim(); // as in the stored Markdown
      return /^https?:/i.test(href) ? `<a href="${escape(href)}">${escape(label)}</a>` : escape(label);
    }
  }
});
marked.use(mathematics);

const purifier = createDOMPurify(window);
purifier.addHook('afterSanitizeAttributes', node => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer');
  }
});
const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'blockquote', 'br', 'code', 'del', 'div', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'input', 'kbd',
    'li', 'ol', 'p', 'pre', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'
  ],
  ALLOWED_ATTR: ['align', 'checked', 'class', 'disabled', 'href', 'start', 'title', 'type'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const
};

export const services: Services = {
  render(markdown, node) {
    const html = marked.parse(markdown, { async: false });
    node.append(purifier.sanitize(html, ALLOWED));
    for (const code of node.querySelectorAll('pre > code')) {
      const language = /language-([\w+#.-]+)/.exec(code.className)?.[1];
      const colored = document.createElement('span');
      if (language && highlight(code.textContent ?? '', language, colored)) {
        code.replaceChildren(colored);
      }
    }
  },
  highlight,
  typeset,
  copy: text => navigator.clipboard.writeText(text)
};

/** Formulas that `math.ts` left as code become MathML, now or when the code for it has come. */
async function typeset(node: HTMLElement): Promise<void> {
  const shared = page();
  if (!shared.tex) {
    await new Promise<void>(come => shared.waiting.push(come));
  }
  for (const code of node.matches('.cj-tex') ? [node] : node.querySelectorAll<HTMLElement>('.cj-tex')) {
    const formula = document.createElement('span');
    shared.tex!(code.textContent ?? '', code.parentElement?.className === 'cj-math', formula);
    code.replaceWith(formula);
  }
}
