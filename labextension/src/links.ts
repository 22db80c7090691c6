/** One link for each open notebook, and what hangs on it; `current` follows the one in front. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { Renames, Totals } from './costs/totals';
import { KernelLink } from './kernel';
import { Recovery } from './lab/recover';
import { waiting } from './work/here';
import { Waiting } from './work/waiting';

export class Links {
  private readonly links = new Map<NotebookPanel, KernelLink>();
  private readonly news = new Signal<this, void>(this);

  private readonly renames: Renames;

  constructor(
    private readonly tracker: INotebookTracker,
    contents: Contents.IManager
  ) {
    this.renames = new Renames(contents);
    tracker.widgetAdded.connect((_, panel) => this.add(panel));
    tracker.forEach(panel => this.add(panel));
    tracker.currentChanged.connect(() => this.news.emit());
  }

  get current(): KernelLink | null {
    const panel = this.tracker.currentWidget;
    return panel ? (this.links.get(panel) ?? null) : null;
  }

  /** Another notebook came to the front, or its kernel had news. */
  get changed(): ISignal<this, void> {
    return this.news;
  }

  private add(panel: NotebookPanel): void {
    if (this.links.has(panel)) {
      return;
    }
    const link = new KernelLink(panel);
    this.links.set(panel, link);
    new Recovery(link);
    new Totals(link, this.renames);
    waiting.set(panel, new Waiting(link));
    link.changed.connect(() => {
      if (link === this.current) {
        this.news.emit();
      }
    });
    panel.disposed.connect(() => this.links.delete(panel));
  }
}
