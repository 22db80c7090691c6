/** What a prompt cell says so that it points at one cell or one of its outputs: never its source or what it showed. Pure. */

export const LOAD = '%load_ext claude_jupyter';

export type Kind = 'error' | 'image' | 'value' | 'text';

/** A cell's source, and where the caret goes: behind the question. */
export interface Written {
  source: string;
  caret: number;
}

const SHORT = 8; // characters of an id

/** The shortest beginning of a cell's id that no other cell's has, and that is no execution count. */
export function referenceTo(id: string, others: string[]): string {
  for (let length = SHORT; length < id.length; length++) {
    const beginning = id.slice(0, length);
    if (/[^\d]/.test(beginning) && !beginning.endsWith('-') && !others.some(other => other !== id && other.startsWith(beginning))) {
      return beginning;
    }
  }
  return id;
}

/** A question about a cell is the user's to write. */
export const askAbout = (cell: string, loaded: boolean): Written => cellOf(`--cell ${cell}`, '', loaded);

/** `output` counts from 1. */
export const explain = (cell: string, output: number, kind: Kind, loaded: boolean): Written =>
  cellOf(`--cell ${cell}:${output}`, kind === 'image' ? 'Explain this picture.' : 'Explain this output.', loaded);

export const fix = (cell: string, loaded: boolean): Written => lines(loaded, `%claude_fix --cell ${cell}`);

export const resume = (chat: string, loaded: boolean): Written =>
  lines(loaded, chat === 'main' ? 'claude.resume()' : `claude.resume(chat=${JSON.stringify(chat)})`);

/**
 * Where the extension is not loaded, a question that is known is asked in one line: that runs anywhere. One that is still to be
 * written gets lines of its own, which this extension makes work (`handover.ts`).
 */
function cellOf(options: string, question: string, loaded: boolean): Written {
  return !loaded && question ? lines(loaded, `%claude ${options} ${question}`) : lines(loaded, `%%claude ${options}`, question);
}

/**
 * A cell that loads the extension and asks in lines below, as one that any kernel can run: the question on the magic's own line. Only a
 * question that is a paragraph fits there; another stays as it is, and runs where this extension loads ours beforehand.
 */
export function portable(source: string): string {
  const match = /^(\s*%load_ext[ \t]+claude_jupyter[ \t]*\n(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*)%%claude(?![\w?])([^\n]*)\n([^]*)$/.exec(source);
  const question = match?.[3].trim() ?? '';
  if (!match || !question || /\n[ \t]*(?:\n|[-+*>#|`~]|\d+[.)]|    )|^[-`~]|```|~~~|\$\$/.test(question)) {
    return source;
  }
  return `${match[1]}%claude${match[2].trimEnd()} ${question.replace(/[ \t]*\n[ \t]*/g, ' ')}`;
}

function lines(loaded: boolean, ...rest: string[]): Written {
  const source = [...(loaded ? [] : [LOAD]), ...rest].join('\n');
  return { source, caret: source.length };
}

/** What the source of a cell that asks points at: references as they are there, and whether it is about the last error. */
export interface Pointers {
  references: { cell: string; output: number | null }[];
  error: boolean;
  fixes: boolean;
  /** It loads the extension and asks in the same cell. */
  loads: boolean;
  /** It names files that its cell holds. */
  attached: boolean;
  /** Any of these. */
  points: boolean;
}

const OURS = /%claude|\bclaude\s*\./;
const REFERENCE = /(?:--cell(?:[ \t]+|=)|\bcell\s*=\s*)["']?\[?([\w-]+)\]?(?::(\d+))?/g;
const LOADS = /^\s*%load_ext[ \t]+claude_jupyter[ \t]*\n(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%claude(?![\w?])/;

export function pointersIn(source: string): Pointers | null {
  if (!OURS.test(source)) {
    return null;
  }
  const references = [...source.matchAll(REFERENCE)].map(([, cell, output]) => ({ cell, output: output ? Number(output) : null }));
  const fixes = /^[ \t]*%claude_fix(?!\w)/m.test(source);
  const error = references.length === 0 && (fixes || /^[ \t]*%{1,2}claude[^\n]*[ \t](?:-e|--error)(?!\S)/m.test(source));
  const loads = LOADS.test(source);
  const attached = source.includes('attachment:');
  return { references, error, fixes, loads, attached, points: references.length > 0 || error || fixes || loads || attached };
}
