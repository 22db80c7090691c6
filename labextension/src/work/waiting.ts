/**
 * Claude's proposed cells in one notebook: put in when the kernel says that they wait, marked until they have run. The kernel
 * decides what waits; a cell that the user moves or deletes is the user's, and is not put in again.
 */

import { Notification } from '@jupyterlab/apputils';
import { isCodeCellModel, type Cell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook } from '@jupyterlab/notebook';
import type { PanelLayout, Widget } from '@lumino/widgets';
import { el } from '../answer/dom';
import type { KernelLink } from '../kernel';
import type { State } from '../state';
import { Hint, ProposalBar, UndoBar } from './bars';
import { find, indexOf, insert, remove } from './cells';
import { skipping, type Step, type Works } from './works';

interface Mark {
  cell: Cell;
  step: Step;
  bars: Widget[];
  /** Takes the diff away. */
  restore?: () => void;
}

const NONE: Works = { waiting: [], gone: [], undo: null };

export class Waiting {
  private readonly marks = new Map<string, Mark>();
  /** Cells of steps that this page has seen, by step: one that is gone was deleted here. */
  private readonly seen = new Set<string>();
  /** Steps that this page has run by itself: they do not wait while they run. */
  private readonly started = new Set<string>();
  /** Steps that this page will start, with the last state of the kernel before it was told so. */
  private readonly toStart = new Map<string, State>();
  /** Cells that this page has taken out: one that comes back is the user's. */
  private readonly taken = new Set<string>();
  /** Ids of cells that JupyterLab is running. */
  private readonly running = new Set<string>();
  private readonly spoken = el('div', 'cj-sr');
  private undoBar: UndoBar | null = null;
  private undoCell: Cell | null = null;
  private undoing = false;
  private settling = false;
  private planned = false;

  constructor(private readonly link: KernelLink) {
    this.spoken.setAttribute('aria-live', 'polite');
    link.panel.node.append(this.spoken);
    link.changed.connect(this.settle, this);
    link.panel.content.modelContentChanged.connect(this.soon, this);
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
    NotebookActions.executed.connect(this.onExecuted, this);
    link.panel.disposed.connect(() => {
      NotebookActions.executionScheduled.disconnect(this.onScheduled, this);
      NotebookActions.executed.disconnect(this.onExecuted, this);
      link.panel.content.modelContentChanged.disconnect(this.soon, this);
    });
  }

  /** The steps that wait in this notebook. */
  get steps(): readonly Step[] {
    return [...this.marks.values()].map(({ step }) => step);
  }

  /** Do something with the step whose cell is the active one, or with the first. */
  act(name: 'keepGoing' | 'skip' | 'stop'): void {
    const active = this.notebook.activeCell?.model.id;
    const mark = [...this.marks.values()].find(({ cell }) => cell.model.id === active) ?? [...this.marks.values()][0];
    if (mark) {
      this[name](mark);
    }
  }

  private get notebook(): Notebook {
    return this.link.panel.content;
  }

  /** The model changes before the notebook has a widget for a new cell, or none for one that is gone. */
  private soon(): void {
    if (!this.planned) {
      this.planned = true;
      queueMicrotask(() => {
        this.planned = false;
        this.settle();
      });
    }
  }

  private settle(): void {
    if (!this.notebook.model || this.link.panel.isDisposed || this.settling) {
      return; // the second: what is done here changes the notebook
    }
    this.settling = true;
    try {
      this.follow();
    } finally {
      this.settling = false;
    }
  }

  private follow(): void {
    const works = this.link.state?.works ?? NONE;
    const names = new Set(works.waiting.map(nameOf));
    for (const [name, mark] of this.marks) {
      if (!names.has(name) || mark.cell.isDisposed || mark.cell.model.isDisposed) {
        this.unmark(name, mark);
      }
    }
    works.waiting.forEach(step => this.place(step));
    const removed = remove(this.notebook, works.gone.filter(id => !this.taken.has(id)));
    if (removed.length) {
      removed.forEach(id => this.taken.add(id));
      this.link.send('removed', { cells: removed });
    }
    this.offerUndo(works);
  }

  private place(step: Step): void {
    const name = nameOf(step);
    let cell = find(this.notebook, step);
    if (cell && cell.model.id === step.cell) {
      this.seen.add(name);
      this.startOnceKnown(name, cell);
    } else if (cell) {
      this.tell(step, cell.model.id);
    } else if (this.seen.has(name)) {
      if (step.cell) {
        this.tell(step, ''); // deleted here
      }
      return;
    } else if (step.cell === '' || (step.nextInput && this.isRunning(step.after))) {
      return; // the second: JupyterLab inserts it when that cell ends
    } else {
      const id = insert(this.notebook, step);
      const index = indexOf(this.notebook, id);
      cell = this.notebook.widgets[index] ?? null;
      if (!cell) {
        return; // of another notebook
      }
      this.tell(step, id);
      const isHere = this.isAt(step, cell);
      if (step.automatic) {
        if (isHere) {
          this.notebook.activeCellIndex = index; // as Shift+Enter goes on, and the page with it
        }
        return;
      }
      if (isHere) {
        void this.notebook.scrollToItem(index, 'smart');
      }
      this.spoken.textContent = `Claude proposes a cell: ${step.title}. ${step.line}.`;
    }
    if (!this.marks.has(name) && !this.started.has(name)) {
      this.mark(name, step, cell);
    }
  }

  /** Whether the user is at a new cell, or at the one that it follows and does not edit that one. */
  private isAt({ after, automatic }: Step, cell: Cell): boolean {
    const { activeCell, mode } = this.notebook;
    return activeCell === cell || (activeCell?.model.id === after && !(automatic && mode === 'edit'));
  }

  /** Start a step once the kernel has answered: comms come on a subshell, so that a cell could run before what was sent first is known. */
  private startOnceKnown(name: string, cell: Cell): void {
    const toldIn = this.toStart.get(name);
    if (toldIn && toldIn !== this.link.state) {
      this.toStart.delete(name);
      void this.run(cell);
    }
  }

  /** Whether a cell runs here, or has ended and JupyterLab has yet to insert what the kernel gave it as the next input. */
  private isRunning(id: string): boolean {
    const model = this.notebook.widgets[indexOf(this.notebook, id)]?.model;
    if (model && isCodeCellModel(model) && model.executionState === 'running') {
      this.running.add(id); // it was started before this code was loaded
    }
    return this.running.has(id);
  }

  private tell(step: Step, cell: string): void {
    const name = nameOf(step);
    this.seen.add(name);
    if (step.automatic && step.cell === null && this.link.state) {
      this.started.add(name);
      this.toStart.set(name, this.link.state);
    }
    step.cell = cell;
    this.link.send('placed', { work: step.work, step: step.step, cell });
  }

  private mark(name: string, step: Step, cell: Cell): void {
    const mark: Mark = { cell, step, bars: [] };
    const bar = new ProposalBar(step, {
      run: () => void this.start(mark),
      keepGoing: () => this.keepGoing(mark),
      skip: () => this.skip(mark),
      stop: () => this.stop(mark)
    });
    const hint = new Hint(step);
    mark.bars.push(bar, hint);
    this.marks.set(name, mark);
    cell.addClass('cj-Waiting');
    around(cell, bar, hint);
    const failed = this.notebook.widgets[indexOf(this.notebook, step.replaces)]?.model.sharedModel.getSource();
    if (failed !== undefined) {
      void this.compare(mark, failed);
    }
  }

  /** Show what a correction changes in the cell that failed. */
  private async compare(mark: Mark, failed: string): Promise<void> {
    const [{ markChanges }] = await Promise.all([import('../change/diff'), mark.cell.ready]);
    if (!mark.cell.isDisposed && this.marks.get(nameOf(mark.step)) === mark) {
      mark.restore = markChanges(mark.cell, failed);
    }
  }

  private unmark(name: string, { cell, step, bars, restore }: Mark): void {
    this.marks.delete(name);
    restore?.();
    bars.forEach(bar => bar.dispose());
    if (cell.isDisposed) {
      return;
    }
    cell.removeClass('cj-Waiting');
    const { model } = cell;
    if (step.replaces && isCodeCellModel(model) && model.executionCount !== null && model.sharedModel.getSource() !== skipping(step.chat)) {
      remove(this.notebook, [step.replaces]);
    }
  }

  private onExecuted(_: unknown, { cell }: { cell: Cell }): void {
    if (this.running.delete(cell.model.id)) {
      this.settle();
    }
  }

  private onScheduled(_: unknown, { cell }: { cell: Cell }): void {
    this.running.add(cell.model.id);
    for (const mark of this.marks.values()) {
      if (mark.cell === cell) {
        cell.removeClass('cj-Waiting');
        mark.bars.forEach(bar => bar.hide());
      }
    }
  }

  private async run(cell: Cell): Promise<void> {
    await NotebookActions.runCells(this.notebook, [cell], this.link.panel.sessionContext);
  }

  private async start({ cell, step }: Mark): Promise<void> {
    this.toStart.delete(nameOf(step));
    this.show(cell);
    await this.run(cell);
  }

  private show(cell: Cell): void {
    this.notebook.activeCellIndex = this.notebook.widgets.indexOf(cell);
    this.notebook.activate();
  }

  /** The cell runs once the kernel has said that it knows: it could propose the next one first, to wait for the user. */
  private keepGoing(mark: Mark): void {
    const { cell, step } = mark;
    if (step.agent || !this.link.state) {
      return void this.start(mark);
    }
    this.show(cell);
    this.toStart.set(nameOf(step), this.link.state);
    this.link.send('work', { work: step.work, action: 'keep_going' });
  }

  private skip(mark: Mark): void {
    if (mark.step.agent) {
      remove(this.notebook, [mark.cell.model.id]);
      this.link.send('work', { work: mark.step.work, action: 'stop' });
      return;
    }
    mark.cell.model.sharedModel.setSource(skipping(mark.step.chat));
    void this.start(mark);
  }

  private stop({ cell, step }: Mark): void {
    this.show(cell);
    this.link.send('work', { work: step.work, action: 'stop' });
  }

  private offerUndo({ undo }: Works): void {
    const cell = undo ? this.notebook.widgets[indexOf(this.notebook, undo.cell)] : undefined;
    if (this.undoing && !undo) {
      this.undoing = false;
      if (this.link.state?.note) {
        Notification.info(this.link.state.note, { autoClose: 8000 });
      }
    }
    const old = this.undoBar;
    if (old && !old.isDisposed && this.undoCell === cell && JSON.stringify(old.undo) === JSON.stringify(undo)) {
      return;
    }
    old?.dispose();
    this.undoBar = null;
    this.undoCell = cell ?? null;
    if (undo && cell) {
      this.undoBar = new UndoBar(undo, () => {
        this.undoing = true;
        this.link.send('undo');
      });
      around(cell, null, this.undoBar);
    }
  }
}

/** Put bars above and below what a cell shows: once it shows anything, which a cell far away does not yet. */
function around(cell: Cell, above: Widget | null, below: Widget): void {
  void cell.ready.then(() => {
    const layout = cell.layout as PanelLayout | null;
    if (above && !above.isDisposed) {
      layout?.insertWidget(0, above);
    }
    if (!below.isDisposed) {
      layout?.addWidget(below);
    }
  });
}

const nameOf = ({ work, step }: Step): string => `${work} ${step}`;
