/** Fills the side panel and the status bar. */

import type { INotebookTracker } from '@jupyterlab/notebook';
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
  status?.registerStatusItem('claude-jupyter:status', {
    item,
    isActive: () => item.isActive,
    activeStateChanged: item.activeChanged,
    align: 'right',
    rank: 50
  });
}
