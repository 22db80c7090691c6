/** What a prompt cell is, as text: where its options end and which braces name values. Pure. */

/** The magic's first line: comments, blank lines, and what loads it may be above it. */
const MAGIC = /^(?:[ \t]*(?:#[^\n]*|%load_ext[ \t]+claude_jupyter[ \t]*)?\n)*(%%claude(?![\w?]))([^\n]*)/;
const LOOKS = 2000; // characters looked at: a magic is at the top

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

/** A cell that asks in one line and does nothing else: where its question begins is `lineEnd`. */
const QUESTION = /^((?:[ \t]*(?:#[^\n]*|%load_ext[ \t]+claude_jupyter[ \t]*)?\n)*)(%claude)(?=[ \t])((?:[ \t]+--?[\w-]+(?:[ \t]+[\w.:/-]*\d[\w.:/-]*)?)*)[^\n]*\s*$/;

export function questionOf(source: string): Prompt | null {
  const match = QUESTION.exec(source);
  if (!match) {
    return null;
  }
  const from = match[1].length;
  const magicEnd = from + match[2].length;
  return { from, magicEnd, lineEnd: magicEnd + match[3].length };
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

/** ` -f NAME`, in quotes where a word would end within it. */
export const optionFor = (name: string): string => ` -f ${/^[\w./:~+@%-]+$/.test(name) ? name : `"${name.replace(/(["\\])/g, '\\$1')}"`}`;

/** A name for a file in a cell: one word, and no other file's. */
export function freeName(name: string, names: string[]): string {
  const [, stem, suffix] = /^(.*?)(\.\w+)?$/.exec(name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+/, '')) ?? [];
  for (let n = 1; ; n++) {
    const candidate = `${stem || 'file'}${n > 1 ? `-${n}` : ''}${suffix ?? ''}`;
    if (!names.includes(candidate)) {
      return candidate;
    }
  }
}

/** A path of the file browser as the kernel of a notebook there sees it: from the notebook's folder. */
export function pathFrom(notebook: string, path: string): string {
  const parts = (text: string): string[] => text.replace(/^[^/:]*:/, '').split('/').filter(Boolean);
  const from = parts(notebook).slice(0, -1);
  const to = parts(path);
  while (from.length && from[0] === to[0]) {
    from.shift();
    to.shift();
  }
  return [...from.map(() => '..'), ...to].join('/');
}

/** `3.1 MB` */
export const bytes = (size: number): string => (size < 1e6 ? `${Math.max(1, Math.round(size / 1e3))} kB` : `${(size / 1e6).toFixed(1).replace('.0', '')} MB`);
