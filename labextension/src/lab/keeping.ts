/**
 * Writes what has arrived of an answer into its output, once a second, so that a notebook saved in mid-answer holds it. From the
 * first time on the output is of the answer's own type, and its renderer continues with the very view that the widget began.
 */

import { CodeCell, isCodeCellModel, type ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { page, type Live } from '../page';
import type { Sealer } from '../seal';
import { LOST, snapshotOf, UNFINISHED } from '../snapshot';
import { leave, takeUp, type Arriving } from './leaving';
import { idOf } from './outputs';

const EVERY = 1000; // ms
/** The page is told of a text that is longer by this factor: its table of contents then grows in steps, not all at once in the end. */
const STEP = 1.5;
const GRACE = 3000; // ms after a widget is closed: the final output may be on its way

/** As JupyterLab's own cells write their outputs (4.2 and later): no page that shows the cell is told. */
interface QuietCell {
  updateOutputs(start: number, end: number, outputs: IOutput[], origin: 'silent-change'): void;
}

interface Place {
  panel: NotebookPanel;
  model: ICodeCellModel;
  index: number;
}

export class Keeper {
  private readonly written = new WeakMap<Live, number>();
  private readonly lengths = new WeakMap<Live, number>(); // characters
  private readonly sealers = new WeakMap<Live, Sealer[]>();
  private readonly places = new WeakMap<Live, Place>();
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor(private readonly tracker: INotebookTracker) {
    const shared = page();
    shared.began = () => this.start();
    shared.closed = live => void setTimeout(() => this.lose(live), GRACE);
    const follow = (panel: NotebookPanel): void => {
      void panel.context.ready.then(() => !panel.isDisposed && takeUp(panel));
      const { sessionContext } = panel;
      sessionContext.statusChanged.connect((_, status) => {
        if (status === 'restarting' || status === 'autorestarting' || status === 'terminating' || status === 'dead') {
          this.loseAll(panel);
        }
      });
      sessionContext.kernelChanged.connect((_, { oldValue }) => oldValue && this.loseAll(panel));
    };
    tracker.forEach(follow);
    tracker.widgetAdded.connect((_, panel) => follow(panel));
    window.addEventListener('pagehide', () => leave([...page().live.values()].flatMap(live => this.arriving(live))));
  }

  private arriving(live: Live): Arriving[] {
    const place = live.ended ? null : this.place(live);
    if (!place || !runsHere(place)) {
      return [];
    }
    const output = { output_type: 'display_data', ...snapshotOf(live.answer, live.view.arrived(), UNFINISHED) } as unknown as IOutput;
    return [{ path: place.panel.context.path, cell: place.model.id, output }];
  }

  private start(): void {
    this.timer ??= setInterval(() => {
      const all = [...page().live.values()];
      all.forEach(live => this.keep(live));
      if (!all.length) {
        clearInterval(this.timer!);
        this.timer = null;
      }
    }, EVERY);
  }

  /** Nothing is written if nothing is new, nothing may be written, or another page runs the cell and writes it. */
  private keep(live: Live): void {
    if (live.ended || this.written.get(live) === live.view.changes) {
      return;
    }
    const place = this.place(live);
    const notebook = place?.panel.content.model;
    if (place && notebook && !notebook.readOnly && runsHere(place)) {
      this.written.set(live, live.view.changes);
      const sealers = this.sealers.get(live) ?? [];
      this.sealers.set(live, sealers);
      const snapshot = snapshotOf(live.answer, live.view.arrived(), UNFINISHED, sealers);
      const output = { output_type: 'display_data', ...snapshot } as unknown as IOutput;
      const { length } = String(snapshot.data['text/plain']);
      if (!live.adopted || length > STEP * (this.lengths.get(live) ?? 0)) {
        this.lengths.set(live, length);
        place.model.outputs.set(place.index, output); // its renderer takes the view over, or continues with it
      } else {
        // Into the document alone, past the page: no table of contents reads all of it anew each second.
        (place.model.sharedModel as QuietCell).updateOutputs(place.index, place.index + 1, [output], 'silent-change');
        if (!notebook.dirty) {
          notebook.dirty = true; // saved since
        }
      }
    }
  }

  private loseAll(panel: NotebookPanel): void {
    for (const live of [...page().live.values()]) {
      if (this.place(live)?.panel === panel) {
        this.lose(live);
      }
    }
  }

  /** The kernel is gone and will not end it: what had arrived is the answer. */
  private lose(live: Live): void {
    if (live.ended) {
      return;
    }
    const place = this.place(live);
    const { data, metadata } = snapshotOf(live.answer, live.view.arrived(), LOST);
    if (place?.panel.content.model?.readOnly === false && runsHere(place)) {
      place.model.outputs.set(place.index, { output_type: 'display_data', data, metadata } as unknown as IOutput);
    }
    if (!live.ended) {
      live.ended = true; // nothing shows it any more
      page().live.delete(live.answer.id);
      live.view.dispose();
    }
  }

  private place(live: Live): Place | null {
    const { id } = live.answer;
    const cached = this.places.get(live);
    if (cached && !cached.panel.isDisposed && cached.index < (cached.model.outputs?.length ?? 0) && idOf(cached.model.outputs.get(cached.index)) === id) {
      return cached;
    }
    const place = find(this.tracker, id);
    if (place) {
      this.places.set(live, place);
    }
    return place;
  }
}

export function find(tracker: INotebookTracker, id: string): Place | null {
  let place: Place | null = null;
  tracker.forEach(panel => {
    for (const { model } of place ? [] : panel.content.widgets) {
      for (let index = 0; isCodeCellModel(model) && index < model.outputs.length; index++) {
        if (idOf(model.outputs.get(index)) === id) {
          place = { panel, model, index };
        }
      }
    }
  });
  return place;
}

/** With collaboration each page has the answer, and the one that runs the cell writes. */
function runsHere({ panel, model }: Place): boolean {
  if (panel.content.model?.collaborative !== true) {
    return true;
  }
  const cell = panel.content.widgets.find(candidate => candidate.model === model);
  return cell instanceof CodeCell && Boolean(cell.outputArea?.future);
}
