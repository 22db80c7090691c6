/**
 * Makes Markdown inert for every parser, simply and with some loss: the text of an answer that is still arriving, as it is
 * written into the notebook file. Pure. The kernel's own `display/inert/` keeps links and reads the finished text as a whole.
 *
 * Whatever could begin a tag, a link, a picture or a reference is parted by a zero-width space, in code too.
 */

const GAP = '\u200b';
const COMMANDS = 'bbox|class|cssId|data|href|html|includegraphics|mmlToken|require|style|unicode|url';

export function seal(markdown: string): string {
  return markdown
    .replace(/\r\n?/g, '\n')
    .replace(/(`{3,}|~{3,})([^\n]*)/g, (_, run: string, rest: string) => run + info(rest))
    .replace(new RegExp(`&(?=#?\\w+;)|[<!](?=[a-z/!?[])|\\](?=[(:[])|@(?=@|\\\\)|\\\\(?=(?:${COMMANDS}))|\\bwww(?=\\.)|:(?=//)`, 'gi'), `$&${GAP}`)
    .replace(/\]$/, `]${GAP}`);
}

/** What follows a run of fence marks ends in an attribute in JupyterLab; a diagram would be drawn. */
function info(rest: string): string {
  const language = /^ ?[\w+#.-]{1,30}(?=\s*$)/.exec(rest)?.[0] ?? '';
  const word = language || rest.replace(/["'$\\<>&{}@]/g, '');
  return /mermaid/i.test(word) ? '' : word;
}

/** The text as it was, but for what stood beside fences. */
export function unseal(markdown: string): string {
  return markdown.replace(/([&<!\]@\\:]|\bwww)\u200b/gi, '$1');
}

/** A text that grows: each finished line is sealed once. */
export class Sealer {
  private raw = 0;
  private done = '';
  private fence = '';
  private pairs = 0;

  /** `text` begins with what it was before. */
  update(text: string): { sealed: string; points: number; fence: string } {
    const end = text.lastIndexOf('\n') + 1;
    if (end > this.raw) {
      const fresh = seal(text.slice(this.raw, end));
      this.raw = end;
      this.done += fresh;
      this.fence = fenceAfter(fresh, this.fence);
      this.pairs += pairsIn(fresh);
    }
    const rest = seal(text.slice(end));
    const sealed = this.done + rest;
    return { sealed, points: sealed.length - this.pairs - pairsIn(rest), fence: fenceAfter(rest, this.fence) };
  }
}

/** The marks of the fence that is open after these lines; '' if none. */
function fenceAfter(markdown: string, fence: string): string {
  for (const line of markdown.split('\n')) {
    const run = /^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(`{3,}|~{3,})(.*)$/.exec(line);
    if (!fence) {
      fence = run && !(run[1][0] === '`' && run[2].includes('`')) ? run[1] : '';
    } else if (run && run[1].startsWith(fence) && !run[2].trim()) {
      fence = '';
    }
  }
  return fence;
}

/** Characters that JavaScript counts as two. */
export function pairsIn(text: string): number {
  return text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
}
