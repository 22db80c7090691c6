/**
 * Cuts Markdown that is still arriving into pieces that are finished and one tail that is not. Pure: text in, pieces out.
 *
 * A piece is finished when nothing that follows can change how it reads: at a blank line outside code and mathematics that is
 * followed by a line which cannot continue a list. Long lists, tables, quotes and paragraphs are cut inside as well; such a
 * piece says `glue`, and its content belongs into the element drawn before it. Not a Markdown parser: where it errs, a block
 * is drawn in two parts.
 */

export type Kind = 'text' | 'heading' | 'list' | 'quote' | 'table' | 'fence' | 'math';

export interface Piece {
  /** The same for a tail and the finished piece that it becomes. */
  key: number;
  kind: Kind;
  /** Markdown that is by itself (a cut table gets its header again). */
  src: string;
  glue: boolean;
  /** Of a fence: its language and its code so far. */
  lang: string;
  code: string;
}

/** From here on a list, table or quote is cut at its next item; a paragraph at its next sentence. */
const LONG = 1500;
/** A `$$` that is not closed within so much text is not mathematics. */
const MATH_MOST = 3000;

const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)$/;
const MARKER = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)/;
const INTERRUPTS = /^ {0,3}(?:[-*+]|1[.)])[ \t]+\S/;
const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const UNDERLINE = /^ {0,3}(?:=+|-+)[ \t]*$/;
const QUOTE = /^ {0,3}>/;
const DELIMITER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const NESTED_FENCE = /^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(`{3,}|~{3,})[^`]*$/;

interface Fence {
  indent: number;
  mark: string;
}

export class Splitter {
  private buf = '';
  private scanned = 0; // start of the first line of `buf` that has not been looked at
  private kind: Kind | null = null;
  private glue = false;
  private key = 0;
  private lines = 0; // of this chunk, blank ones not counted
  private lastLine = 0; // where its last line that is not blank begins
  private blank = false;
  private fence: Fence | null = null; // top level
  private codeFrom = 0;
  private inner: Fence | null = null; // inside a list or quote
  private math = false;
  private header = ''; // of a table that was cut
  private pending = ''; // a "\r" whose "\n" may follow
  private out: Piece[] = [];

  push(text: string): void {
    let more = this.pending + text;
    this.pending = more.endsWith('\r') ? '\r' : '';
    if (this.pending) {
      more = more.slice(0, -1);
    }
    this.buf += more.includes('\r') ? more.replace(/\r\n?/g, '\n') : more;
    let nl: number;
    while ((nl = this.buf.indexOf('\n', this.scanned)) >= 0) {
      this.line(this.buf.slice(this.scanned, nl), this.scanned, nl + 1);
    }
    this.cutParagraph();
  }

  /** The pieces finished since the last call. */
  take(): Piece[] {
    const pieces = this.out;
    this.out = [];
    return pieces;
  }

  /** What is not finished yet, or null. */
  tail(): Piece | null {
    return this.buf.trim() ? this.piece(this.buf, false) : null;
  }

  /** No more text will come: what is left is finished. */
  finish(): void {
    this.push('\n');
    if (this.buf.trim()) {
      this.out.push(this.piece(this.buf, true));
    }
    this.reset('');
  }

  private line(text: string, from: number, to: number): void {
    this.scanned = to;
    if (this.fence) {
      if (closes(text, this.fence)) {
        this.cut(to);
      }
      return;
    }
    if (this.inner) {
      if (closes(text.replace(/^[ \t>]+/, ''), this.inner)) {
        this.inner = null;
        return this.within(text, from);
      }
      if (text.trim() === '' || /^[ \t>]/.test(text)) {
        return;
      }
      this.inner = null; // a fence inside an item ends with its item
    }
    if (text.trim() === '') {
      return this.blankLine(to);
    }
    if (this.math) {
      return this.within(text, from);
    }
    if (this.kind && this.ends(text)) {
      this.cut(from);
    }
    if (this.kind === null) {
      this.open(text);
    } else if (this.cuttable(text)) {
      this.cutInside(from);
    } else if (this.lines && this.kind === 'text' && isTable(this.last(), text)) {
      if (this.lines > 1) {
        this.cut(this.lastLine);
      }
      this.kind = 'table';
      this.lines = 1;
    }
    this.within(text, this.scanned - text.length - 1);
    if (this.kind === 'heading' || (this.kind === 'text' && this.lines === 2 && UNDERLINE.test(text))) {
      this.cut(this.scanned);
    }
  }

  private blankLine(to: number): void {
    if (this.kind === null) {
      this.reset(this.buf.slice(to));
    } else if (this.math) {
      this.math = this.scanned < MATH_MOST;
    } else if (this.kind === 'list') {
      this.blank = true; // its next item, or more of this one, may follow
    } else {
      this.cut(to);
    }
  }

  /** Whether a line (not blank) ends the chunk before it. */
  private ends(text: string): boolean {
    if (this.kind === 'list') {
      const inside = /^(?: {2,}|\t)/.test(text) || (MARKER.test(text) && !RULE.test(text));
      return !inside && (this.blank || starts(text) || QUOTE.test(text));
    }
    if (this.kind === 'quote') {
      return !QUOTE.test(text) && (starts(text) || MARKER.test(text));
    }
    if (this.kind === 'table') {
      return starts(text) || QUOTE.test(text) || INTERRUPTS.test(text);
    }
    const underlined = this.lines > 0 && UNDERLINE.test(text);
    return (!underlined && starts(text)) || QUOTE.test(text) || INTERRUPTS.test(text);
  }

  private open(text: string): void {
    this.lines = 0;
    this.blank = false;
    const fence = FENCE.exec(text);
    if (fence && !(fence[2][0] === '`' && fence[3].includes('`'))) {
      this.kind = 'fence';
      this.fence = { indent: fence[1].length, mark: fence[2] };
      this.codeFrom = this.scanned;
    } else if (HEADING.test(text) || RULE.test(text)) {
      this.kind = 'heading';
    } else if (MARKER.test(text)) {
      this.kind = 'list';
    } else if (QUOTE.test(text)) {
      this.kind = 'quote';
    } else {
      this.kind = 'text';
    }
  }

  /** Book-keeping for a line that belongs to the chunk. */
  private within(text: string, from: number): void {
    this.lines += 1;
    this.lastLine = from;
    this.blank = false;
    if (this.kind === 'list' || this.kind === 'quote') {
      const nested = NESTED_FENCE.exec(text);
      this.inner = nested ? { indent: 0, mark: nested[1] } : null;
    } else if (this.kind === 'text') {
      this.math = mathStaysOpen(text, this.math);
    }
  }

  private cuttable(text: string): boolean {
    if (this.scanned - text.length - 1 < LONG) {
      return false;
    }
    return (
      (this.kind === 'list' && /^ {0,1}\S/.test(text) && MARKER.test(text)) ||
      (this.kind === 'quote' && /^ {0,3}>[ \t]*$/.test(text)) ||
      (this.kind === 'table' && this.lines > 2)
    );
  }

  /** Cut a long list, table or quote before the line at `from`; what follows is glued to it. */
  private cutInside(from: number): void {
    const { kind } = this;
    const header = kind !== 'table' ? '' : this.header || this.buf.split('\n', 2).join('\n') + '\n';
    this.cut(from);
    this.kind = kind;
    this.glue = true;
    this.lines = kind === 'table' ? 2 : 0;
    this.header = header;
  }

  /** A paragraph that goes on and on is cut after a sentence outside any mark-up. */
  private cutParagraph(): void {
    const start = this.kind === null && this.lines === 0 ? firstKind(this.buf) : this.kind;
    if (start !== 'text' || this.buf.length < 2 * LONG || this.math) {
      return;
    }
    for (let at = this.buf.length - 200; at > LONG / 2; at--) {
      const c = this.buf[at];
      if ((c === ' ' || c === '\n') && '.!?:;'.includes(this.buf[at - 1]) && balanced(this.buf.slice(0, at))) {
        this.cutText(at + 1);
        return;
      }
    }
    if (this.buf.length > 8 * LONG) {
      const space = this.buf.lastIndexOf(' ', this.buf.length - 200);
      this.cutText(space > LONG ? space + 1 : this.buf.length - 200);
    }
  }

  private cutText(at: number): void {
    const scanned = Math.max(0, this.scanned - at);
    this.kind = 'text';
    this.cut(at);
    this.kind = 'text';
    this.glue = true;
    this.lines = 1;
    this.scanned = scanned;
    this.lastLine = 0;
  }

  private cut(at: number): void {
    const src = this.buf.slice(0, at);
    if (src.trim()) {
      this.out.push(this.piece(src, true));
    }
    const scanned = this.scanned - at;
    this.reset(this.buf.slice(at));
    this.scanned = scanned;
  }

  private reset(rest: string): void {
    this.buf = rest;
    this.scanned = 0;
    this.kind = null;
    this.glue = false;
    this.key += 1;
    this.lines = 0;
    this.lastLine = 0;
    this.blank = false;
    this.fence = null;
    this.inner = null;
    this.math = false;
    this.header = '';
  }

  private last(): string {
    const nl = this.buf.indexOf('\n', this.lastLine);
    return this.buf.slice(this.lastLine, nl);
  }

  private piece(src: string, finished: boolean): Piece {
    const kind = this.kind ?? firstKind(src);
    const piece: Piece = { key: this.key, kind, src: this.header + src, glue: this.glue, lang: '', code: '' };
    if (this.fence) {
      const info = FENCE.exec(src.slice(0, this.codeFrom - 1));
      piece.lang = /^[^\s{]*/.exec(info ? info[3].trim() : '')![0].toLowerCase();
      piece.code = codeOf(src.slice(this.codeFrom), this.fence, finished);
    }
    return piece;
  }
}

/** The lines between the fences, without the fence's own indent; of an open fence without a last line that may close it. */
function codeOf(body: string, fence: Fence, finished: boolean): string {
  const lastFrom = body.lastIndexOf('\n', body.length - (body.endsWith('\n') ? 2 : 1)) + 1;
  const last = body.slice(lastFrom).trim();
  const maybeCloses = last !== '' && last === fence.mark[0].repeat(last.length);
  const drop = finished ? closes(body.slice(lastFrom).replace(/\n$/, ''), fence) : maybeCloses;
  const code = drop ? body.slice(0, lastFrom) : body;
  return fence.indent ? code.replace(new RegExp(`^ {1,${fence.indent}}`, 'gm'), '') : code;
}

function closes(text: string, fence: Fence): boolean {
  const run = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(text);
  return run !== null && run[1][0] === fence.mark[0] && run[1].length >= fence.mark.length;
}

const starts = (text: string): boolean => FENCE.test(text) || HEADING.test(text) || RULE.test(text);

function firstKind(src: string): Kind {
  const line = src.replace(/^\n+/, '').split('\n', 1)[0];
  return HEADING.test(line) ? 'heading' : MARKER.test(line) ? 'list' : QUOTE.test(line) ? 'quote' : 'text';
}

function isTable(header: string, delimiter: string): boolean {
  return header.includes('|') && DELIMITER.test(delimiter) && cells(header) === cells(delimiter);
}

function cells(row: string): number {
  return row.trim().replace(/^\||(?<!\\)\|$/g, '').split(/(?<!\\)\|/).length;
}

function mathStaysOpen(text: string, open: boolean): boolean {
  const plain = text.replace(/`[^`]*`/g, '');
  for (const [mark] of plain.matchAll(/\$\$|\\\[|\\\]/g)) {
    open = mark === '$$' ? !open : mark === '\\[';
  }
  return open;
}

/** Whether a cut here falls into no code span, emphasis, link or mathematics. */
function balanced(text: string): boolean {
  const odd = (mark: RegExp): boolean => ((text.match(mark) ?? []).length & 1) === 1;
  const many = (mark: RegExp): number => (text.match(mark) ?? []).length;
  return (
    !odd(/`/g) && !odd(/\*/g) && !odd(/\$/g) && !odd(/(?<!\w)_|_(?!\w)/g) && !odd(/~~/g) &&
    many(/\[/g) === many(/\]/g) && many(/\(/g) === many(/\)/g)
  );
}
