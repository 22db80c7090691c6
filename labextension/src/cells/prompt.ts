/** What a prompt cell is, as text: where its options end and which braces name values. Pure. */

/** The magic's first line: comments and blank lines may stand above it. */
const MAGIC = /^(?:[ \t]*(?:#[^\n]*)?\n)*(%%claude(?![\w?]))([^\n]*)/;
const LOOKS = 2000; // characters looked at: a magic stands at the top

export interface Prompt {
  /** Where `%%claude` begins and ends, and its line. */
  from: number;
  magicEnd: number;
  lineEnd: number;
}

export function promptOf(source: string): Prompt | null {
  const match = MAGIC.exec(source.slice(0, LOOKS));
  if (!match) {
    return null;
  }
  const lineEnd = match[0].length;
  const from = lineEnd - match[1].length - match[2].length;
  return { from, magicEnd: from + match[1].length, lineEnd };
}

/** `{expr}` in the prompt, as the kernel may replace it: names, attributes, items, with a format; never `{{literal}}`. */
const BRACES = /\{\{[^{}]*\}\}|(?<!\\[A-Za-z]+|[\^_}])\{([A-Za-z_]\w*(?:\.\w+|\[[^\][{}\n]*\])*(?::[^{}\n]*)?)\}/g;
/** Left as typed by the kernel: mathematics and fenced code. */
const VERBATIM = /\$\$[^]*?\$\$|\$(?!\s)[^$\n]*?[^\s$]\$(?!\d)|\\\([^]*?\\\)|\\\[[^]*?\\\]|^(```|~~~)[^]*?^\1/gm;

export function bracesIn(text: string): { from: number; to: number }[] {
  const open = text.replace(VERBATIM, verbatim => ' '.repeat(verbatim.length));
  return [...open.matchAll(BRACES)]
    .filter(match => match[1] !== undefined)
    .map(match => ({ from: match.index, to: match.index + match[0].length }));
}
