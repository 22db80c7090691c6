/**
 * One text of an answer, drawn while it arrives: each finished piece is drawn and typeset once, only the tail again.
 * What a piece is says `blocks.ts`; how Markdown becomes elements is the host's business (`services.render`).
 */

import remend from 'remend';
import { Splitter, type Piece } from './blocks';
import { CodeView, frame } from './code';
import { el } from './dom';
import { Formulas } from './formulas';
import type { Services } from './services';

/** Settled pieces are together on pages of about this many characters: the browser skips those that are out of sight. */
const PAGE = 6000;
/** Pieces, and characters, that are drawn by one call. */
const BATCH = 12;
const TOGETHER = 1500;

export class MarkdownStream {
  readonly node = el('div', 'cj-md');
  private page = this.node.appendChild(el('div', 'cj-page'));
  private pageSize = 0;
  private full: HTMLElement[] = []; // pages that have not been measured yet
  private readonly splitter = new Splitter();
  private readonly caret = el('span', 'cj-caret');
  private queue: Piece[] = [];
  private chunks: string[] = [];
  private units = 0;
  private finished = false;
  private stale = false;
  private tail: { key: number; src: string; nodes: ChildNode[]; code: CodeView | null } | null = null;

  private readonly formulas: Formulas;

  /** `wake` asks for another paint. */
  constructor(
    private readonly services: Services,
    wake: () => void = () => undefined
  ) {
    this.caret.setAttribute('aria-hidden', 'true');
    this.formulas = new Formulas(this.node, services, wake);
  }

  dispose(): void {
    this.formulas.dispose();
  }

  /** How much has arrived, in UTF-16 code units. */
  get length(): number {
    return this.units;
  }

  get text(): string {
    if (this.chunks.length > 1) {
      this.chunks = [this.chunks.join('')];
    }
    return this.chunks[0] ?? '';
  }

  push(text: string): void {
    this.chunks.push(text);
    this.units += text.length;
    this.splitter.push(text);
    this.queue.push(...this.splitter.take());
    this.stale = true;
  }

  finish(): void {
    if (!this.finished) {
      this.finished = true;
      this.splitter.finish();
      this.queue.push(...this.splitter.take());
      this.stale = true;
    }
  }

  /** Paint until the deadline; true if something is left. Never called again before it is done. */
  async paint(deadline: number): Promise<boolean> {
    this.measurePages();
    while (this.queue.length) {
      const batch = this.batch();
      if (batch.length < 2 || !(await this.settleTogether(batch))) {
        for (const piece of batch) {
          await this.settle(piece);
        }
      }
      if (performance.now() > deadline) {
        await this.formulas.work(deadline, true);
        return true;
      }
    }
    if (this.stale) {
      this.stale = false;
      await this.paintTail();
    }
    const more = await this.formulas.work(deadline, false);
    return more || this.queue.length > 0 || this.full.length > 0;
  }

  /** Pages drawn in an earlier frame: their height is known now, so that they can be skipped without a jump. */
  private measurePages(): void {
    for (const page of this.full.splice(0)) {
      const height = page.offsetHeight;
      if (height > 0) {
        page.style.containIntrinsicHeight = `auto ${height}px`;
        page.classList.add('cj-settled');
      }
    }
  }

  /** The next piece, with those after it that can be drawn in the same breath: calling the host's Markdown costs more than drawing. */
  private batch(): Piece[] {
    const { tail, queue } = this;
    let size = 0;
    let n = 0;
    while (n < queue.length && n < BATCH && size < TOGETHER) {
      const { key, kind, glue, src } = queue[n];
      if (kind === 'fence' || glue || key === tail?.key) {
        break;
      }
      size += src.length;
      n += 1;
    }
    return queue.splice(0, Math.max(1, n));
  }

  /** Draw pieces by one call; false where it does not tell them apart (nothing is drawn then). */
  private async settleTogether(batch: Piece[]): Promise<boolean> {
    const node = el('div');
    await this.render(batch.map(({ src }) => src.trimEnd()).join('\n\n'), node);
    const blocks = [...node.children];
    if (blocks.length !== batch.length || [...node.childNodes].some(child => child instanceof Text && child.data.trim())) {
      return false;
    }
    this.caret.remove();
    this.clear();
    for (const [i, piece] of batch.entries()) {
      const place = el('div', 'cj-piece', blocks[i]);
      this.place(place, piece);
      this.polish(place, piece);
      this.pageSize += piece.src.length;
    }
    return true;
  }

  private async settle(piece: Piece): Promise<void> {
    const { tail } = this;
    this.caret.remove();
    if (tail?.key === piece.key && tail.code && !this.services.draws?.(piece.lang)) {
      await tail.code.update(piece.code, true);
      this.tail = null;
    } else if (tail?.key === piece.key && tail.src === piece.src.trimEnd() && !piece.glue) {
      this.tail = null;
      this.polish(tail.nodes[0] as HTMLElement, piece);
    } else {
      const node = await this.draw(piece, true);
      this.clear();
      this.place(node, piece);
      this.polish(node, piece);
    }
    this.pageSize += piece.src.length;
  }

  private async paintTail(): Promise<void> {
    const piece = this.finished ? null : this.splitter.tail();
    if (this.tail && this.tail.key !== piece?.key) {
      this.clear();
    }
    this.caret.remove();
    if (!piece) {
      return;
    }
    if (piece.kind === 'fence') {
      if (!this.tail?.code) {
        this.clear();
        const code = new CodeView(piece.lang, this.services);
        const nodes = this.place(el('div', 'cj-piece', code.node), piece);
        this.tail = { key: piece.key, src: '', nodes, code };
      }
      const code = this.tail.code!;
      await code.update(piece.code, false);
      code.end.after(this.caret);
      return;
    }
    const node = await this.draw(piece, false);
    const whole = remend(piece.src) === piece.src;
    this.clear();
    const nodes = this.place(node, piece);
    this.tail = { key: piece.key, src: whole ? piece.src.trimEnd() : '', nodes, code: null };
    endOf(this.node).append(this.caret);
  }

  /** Take away what was drawn of the tail. */
  private clear(): void {
    this.tail?.nodes.forEach(node => node.remove());
    this.tail = null;
  }

  /** Put a drawn piece at the end, or its content into the piece before it; returns what is there now. */
  private place(node: HTMLElement, piece: Piece): ChildNode[] {
    const moved = piece.glue ? glue(this.page.lastElementChild, node, piece.kind) : null;
    if (moved) {
      return moved;
    }
    if (this.pageSize > PAGE) {
      this.full.push(this.page);
      this.page = this.node.appendChild(el('div', 'cj-page'));
      this.pageSize = 0;
    }
    this.page.append(node);
    return [node];
  }

  private async draw(piece: Piece, finished: boolean): Promise<HTMLElement> {
    const node = el('div', 'cj-piece');
    if (piece.kind === 'fence' && !this.services.draws?.(piece.lang)) {
      const code = new CodeView(piece.lang, this.services);
      await code.update(piece.code, true);
      node.append(code.node);
    } else {
      await this.render(finished ? piece.src : remend(piece.src), node);
    }
    return node;
  }

  /** What the host cannot draw is shown as it was written. */
  private async render(markdown: string, node: HTMLElement): Promise<void> {
    try {
      await this.services.render(markdown, node);
    } catch (error) {
      console.warn('claude-jupyter: shown as it was written', error);
      node.replaceChildren(el('p', 'cj-raw', markdown));
    }
  }

  /** What a finished piece gets once: mathematics, framed code, numbers set to the right. */
  private polish(node: HTMLElement, piece: Piece): void {
    if (this.services.typeset && /\$|\\[([]|\\begin/.test(piece.src) && piece.kind !== 'fence') {
      this.formulas.add(node, this.page);
    }
    for (const pre of piece.kind === 'fence' ? [] : node.querySelectorAll('pre')) {
      if (!pre.closest('.cj-code')) {
        const place = document.createComment('');
        pre.replaceWith(place);
        place.replaceWith(frame(pre, () => (pre.textContent ?? '').replace(/\n$/, ''), this.services));
      }
    }
    for (const table of node.querySelectorAll('table')) {
      alignNumbers(table);
    }
  }
}

/** Move the content of a cut list, table, quote or paragraph into the element that it belongs to; null if it does not fit. */
function glue(previous: Element | null, node: HTMLElement, kind: Piece['kind']): ChildNode[] | null {
  const from = kind === 'table' ? node.querySelector('table') : node.firstElementChild;
  const to = kind === 'table' ? previous?.querySelector('table') : previous?.lastElementChild;
  if (!from || !to || from.tagName !== to.tagName || node.children.length > 1) {
    return null;
  }
  if (from instanceof HTMLTableElement && to instanceof HTMLTableElement) {
    const rows = [...(from.tBodies[0]?.rows ?? [])];
    (to.tBodies[0] ?? to.createTBody()).append(...rows);
    alignNumbers(to, to.rows.length - 1 - rows.length);
    return rows;
  }
  const moved: ChildNode[] = [...(kind === 'text' ? [document.createTextNode(' ')] : []), ...from.childNodes];
  to.append(...moved);
  return moved;
}

const NUMBER = /^[-+−–±~≈<>≥≤]?\s*[$€£]?\s*[-+−]?\d[\d,.\s]*(?:e[-+]?\d+)?\s*(?:%|[a-zA-Zµ°]{1,3})?$/i;

/** Columns of numbers are set to the right, unless the Markdown says where. */
function alignNumbers(table: HTMLTableElement, from = 0): void {
  const head = table.tHead?.rows[0];
  const body = table.tBodies[0];
  if (!head || !body) {
    return;
  }
  const rows = [...body.rows];
  for (const [column, cell] of [...head.cells].entries()) {
    if (cell.hasAttribute('align') || cell.style.textAlign) {
      continue;
    }
    const texts = rows.slice(0, 30).map(row => row.cells[column]?.textContent?.trim() ?? '');
    const filled = texts.filter(text => text !== '' && text !== '–' && text !== '-');
    if (filled.length && filled.every(text => NUMBER.test(text))) {
      cell.classList.add('cj-num');
      rows.slice(Math.max(0, from)).forEach(row => row.cells[column]?.classList.add('cj-num'));
    }
  }
}

/** The last element that holds text, for the caret. */
function endOf(node: HTMLElement): HTMLElement {
  let end = node;
  for (;;) {
    const last = end.lastElementChild;
    const text = end.lastChild;
    if (!(last instanceof HTMLElement) || (text instanceof Text && text.data.trim()) || INLINE.has(last.tagName)) {
      return end;
    }
    end = last;
  }
}

const INLINE = new Set(['A', 'BR', 'CODE', 'DEL', 'EM', 'IMG', 'INPUT', 'KBD', 'SPAN', 'STRONG', 'SUB', 'SUP', 'HR']);
