/**
 * What a prompt cell says so that it points at one cell or one of its outputs. Pure. The magic's `-l`, `-p` and `-e` count back from the
 * newest; what they do not reach (an old error, a cell that this kernel never ran) is quoted, so that nothing else is sent in its place.
 */

export type Kind = 'error' | 'image' | 'value' | 'text';

export interface Seen {
  source: string;
  code: boolean;
  /** A question to Claude itself. */
  asks: boolean;
  /** The execution count, if this kernel ran it under the eyes of this page; else null. */
  ran: number | null;
  /** Whether the magic was there when it ran, and saw what it showed. */
  noticed: boolean;
  outputs: { kind: Kind; text: string }[];
}

/** A cell's source, and where the caret goes: behind the question. */
export interface Written {
  source: string;
  caret: number;
  /** Only a cell that runs again shows the magic what is asked about. */
  again?: boolean;
}

/** With `-l N` at most so many: the others are sent as well. */
const FAR = 3;
const LONGEST = 4000;

export function askAbout(cells: Seen[], index: number): Written {
  const cell = cells[index];
  const back = newer(cells, cell) + 1;
  if (cell.noticed && back <= FAR) {
    return written(`%%claude -l${back > 1 ? ` ${back}` : ''}`, back > 1 ? `About \`In [${cell.ran}]\`: ` : '');
  }
  const said = cell.outputs.map(({ kind, text }) => (kind === 'image' ? '' : text)).filter(text => text.trim());
  const quotes = [quoted(cell.source, cell.code ? 'python' : 'markdown'), ...(said.length ? [quoted(said.join('\n'), 'text')] : [])];
  return written('%%claude', '', quotes.join('\n\n'));
}

export function fix(cells: Seen[], index: number, output: number): Written {
  const cell = cells[index];
  const later = cells.some(other => other.ran !== null && !other.asks && other.ran > (cell.ran ?? 0) && other.outputs.some(({ kind }) => kind === 'error'));
  const question = 'Why does this fail, and how do I fix it?';
  if (cell.ran !== null && !later) {
    return written('%%claude -e', question);
  }
  return written('%%claude', question, quoted(cell.source, 'python') + '\n\n' + quoted(cell.outputs[output].text, 'text'));
}

export function explain(cells: Seen[], index: number, output: number): Written {
  const cell = cells[index];
  const { kind, text } = cell.outputs[output];
  if (kind === 'image') {
    const images = (from: Seen['outputs']): number => from.filter(item => item.kind === 'image').length;
    const later = cells.filter(other => other.ran !== null && cell.ran !== null && other.ran > cell.ran);
    const back = later.reduce((sum, other) => sum + images(other.outputs), 1 + images(cell.outputs.slice(output + 1)));
    if (!cell.noticed && cell.ran !== null) {
      return { ...written('%%claude -p', 'Explain this picture.'), again: true };
    }
    return back === 1
      ? written('%%claude -p', 'Explain this picture.')
      : written(`%%claude -p ${back}`, `Explain the first of these pictures${cell.ran === null ? '' : `, of \`In [${cell.ran}]\``}.`);
  }
  if (kind === 'value' && cell.ran !== null) {
    return written(`%%claude Out[${cell.ran}]`, 'Explain this output.');
  }
  const back = newer(cells, cell) + 1;
  if (cell.noticed && back <= FAR) {
    return written(`%%claude -l${back > 1 ? ` ${back}` : ''}`, back > 1 ? `Explain the output of \`In [${cell.ran}]\`.` : 'Explain this output.');
  }
  return written('%%claude', 'Explain this output.', quoted(cell.source, 'python') + '\n\n' + quoted(text, 'text'));
}

/** Cells that ran after this one, as the magic counts them. */
function newer(cells: Seen[], cell: Seen): number {
  return cells.filter(other => other.ran !== null && !other.asks && other.ran > (cell.ran ?? Infinity)).length;
}

function written(magic: string, question: string, quote = ''): Written {
  const head = `${magic}\n${question}`;
  return { source: quote ? `${head}\n\n${quote}` : head, caret: head.length };
}

function quoted(text: string, language: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST / 2)}\n…\n${text.slice(-LONGEST / 2)}` : text;
  const longest = Math.max(2, ...(cut.match(/`+/g) ?? []).map(run => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${cut.replace(/\n+$/, '')}\n${fence}`;
}
