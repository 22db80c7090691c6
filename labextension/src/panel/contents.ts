/** Fills the side panel and the status bar. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import type { IStatusBar } from '@jupyterlab/statusbar';
import type { Panel } from '@lumino/widgets';
import { StatusItem } from '../costs/status';
import { Links } from '../links';
import { ClaudePanel } from './panel';

export function fillPanel(
  panel: Panel,
  tracker: INotebookTracker,
  contents: Contents.IManager,
  status: IStatusBar | null,
  open: () => void
): void {
  const links = new Links(tracker, contents);
  panel.addWidget(new ClaudePanel(links));
  const item = new StatusItem(links, open);
  if (!status) {
    inToolbar(tracker, item);
    return;
  }
  status.registerStatusItem('claude-jupyter:status', {
    item,
    isActive: () => item.isActive,
    activeStateChanged: item.activeChanged,
    align: 'right',
    rank: 50
  });
}

/** Notebook 7 has no status bar, and one notebook on the page. */
function inToolbar(tracker: INotebookTracker, item: StatusItem): void {
  const show = (): void => item.setHidden(!item.isActive);
  item.activeChanged.connect(show);
  show();
  const put = (panel: NotebookPanel): void => void panel.toolbar.addItem('claude-price', item);
  const first = tracker.currentWidget;
  if (first) {
    put(first);
  } else {
    tracker.widgetAdded.connect((_, panel) => put(panel));
  }
}
