/** Status bar and side panel, fed by the link with each notebook's kernel. */

import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { StatusItem } from '../costs/status';
import { Links } from '../links';
import { ClaudePanel } from './panel';

const OPEN = 'claude-jupyter:open-panel';

export const costs: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:costs',
  description: 'Shows prices, context and transcript of the conversation with Claude.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStatusBar, ICommandPalette, ILayoutRestorer],
  activate: (
    app,
    tracker: INotebookTracker,
    status: IStatusBar | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const links = new Links(tracker, app.serviceManager.contents);
    const panel = new ClaudePanel(links);
    app.shell.add(panel, 'right', { rank: 900 });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(OPEN, {
      label: 'Claude: Show Transcript and Costs',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: OPEN, category: 'Claude' });
    const item = new StatusItem(links, () => void app.commands.execute(OPEN));
    status?.registerStatusItem('claude-jupyter:status', {
      item,
      isActive: () => item.isActive,
      activeStateChanged: item.activeChanged,
      align: 'right',
      rank: 50
    });
  }
};
