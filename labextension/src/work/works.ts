/** What a kernel says of Claude's works: cells that wait to be run, cells to take out, and what can be undone. Pure. */

type Dict = Record<string, unknown>;
const dict = (value: unknown): Dict => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Dict) : {});
const str = (value: unknown): string => (typeof value === 'string' ? value : '');
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const strings = (value: unknown): string[] => list(value).map(str).filter(Boolean);

/** A proposed cell that waits. */
export interface Step {
  work: string;
  chat: string;
  step: number;
  title: string;
  source: string;
  /** What it would do, in one line, its parts joined by ` · `. */
  line: string;
  /** It is run without waiting for the user. */
  automatic: boolean;
  /** JupyterLab was given it as the next input and inserts it itself, once the cell above has ended without an error. */
  nextInput: boolean;
  /** Id of the cell that it is below. */
  after: string;
  /** Id of its own cell; null before it is in a notebook, '' once the user has deleted it. */
  cell: string | null;
  /** Id of the failed cell that it corrects, or ''. */
  replaces: string;
  /** A coding agent proposes it from outside: one cell, and nothing that Claude continues with here. */
  agent: boolean;
}

/** The last work of the chat that is shown, if it can be taken back. */
export interface Undo {
  /** The cell of its last step. */
  cell: string;
  names: string[];
  cells: number;
  /** What no undo brings back. */
  lost: string[];
}

export interface Works {
  waiting: Step[];
  gone: string[];
  undo: Undo | null;
}

export function readWorks(value: unknown): Works {
  const data = dict(value);
  const undo = dict(data.undo);
  return {
    waiting: list(data.waiting).map(readStep).filter(step => step !== null),
    gone: strings(data.gone),
    undo: str(undo.cell)
      ? { cell: str(undo.cell), names: strings(undo.names), cells: typeof undo.cells === 'number' ? undo.cells : 0, lost: strings(undo.lost) }
      : null
  };
}

function readStep(value: unknown): Step | null {
  const data = dict(value);
  if (!str(data.work) || typeof data.step !== 'number' || typeof data.source !== 'string') {
    return null;
  }
  return {
    work: str(data.work),
    chat: str(data.chat) || 'main',
    step: data.step,
    title: str(data.title),
    source: data.source,
    line: str(data.line),
    automatic: data.automatic === true,
    nextInput: data.next_input === true,
    after: str(data.after),
    cell: typeof data.cell === 'string' ? data.cell : null,
    replaces: str(data.replaces),
    agent: data.agent === true
  };
}

/** What a proposed cell's metadata says under `claude_jupyter`: with that it is found again after a reload. */
export interface Origin {
  work: string;
  step: number;
  line: string;
}

export function originOf(metadata: unknown): Origin | null {
  const data = dict(metadata);
  return str(data.work) && typeof data.step === 'number' ? { work: str(data.work), step: data.step, line: str(data.line) } : null;
}

/** The parts of an effect line, and whether each is more than reading and adding. */
export function effectsIn(line: string): { text: string; strong: boolean }[] {
  return line
    .split(' · ')
    .filter(Boolean)
    .map(text => ({ text, strong: !/^(?:reads(?! file )|adds|changes nothing)(?: |$)/.test(text) }));
}

/** The words that answer a proposal instead of running it. */
export function skipping(chat: string): string {
  const option = chat === 'main' ? '' : /^[\w.-]+$/.test(chat) ? `-c ${chat} ` : `-c ${JSON.stringify(chat)} `;
  return `%claude ${option}Skip this step.`;
}

/** `undoes summer, by_year and 2 cells · cannot undo: wet_days.csv` */
export function undoLine({ names, cells, lost }: Undo): string {
  const listed = names.slice(0, 6).join(', ') + (names.length > 6 ? ` and ${names.length - 6} more` : '');
  const undone = [listed, cells ? `${cells} ${cells === 1 ? 'cell' : 'cells'}` : ''].filter(Boolean).join(' and ');
  return [undone && `undoes ${undone}`, lost.length ? `cannot undo: ${lost.join(', ')}` : ''].filter(Boolean).join(' · ');
}
