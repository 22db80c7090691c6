/** One link for each open notebook; `current` follows the one in front. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';
import { KernelLink } from './kernel';

export class Links {
  private readonly links = new Map<NotebookPanel, KernelLink>();
  private readonly news = new Signal<this, void>(this);

  constructor(private readonly tracker: INotebookTracker) {
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
    link.changed.connect(() => {
      if (link === this.current) {
        this.news.emit();
      }
    });
    panel.disposed.connect(() => this.links.delete(panel));
  }
}
