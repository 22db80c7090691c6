/** Status bar and side panel, fed by the link with each notebook's kernel. What is in them comes with the first notebook. */

import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Panel } from '@lumino/widgets';
import { atFirstNotebook } from '../lab/host';

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
    let filled = false;
    const open = (): void => app.shell.activateById(panel.id);
    const fill = async (): Promise<void> => {
      if (!filled) {
        filled = true;
        const { fillPanel } = await import('./contents');
        fillPanel(panel, tracker, app.serviceManager.contents, status, open);
      }
    };
    const panel = new SidePanel(() => void fill());
    app.shell.add(panel, 'right', { rank: 900 });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(OPEN, {
      label: 'Claude: Show Transcript and Costs',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: open
    });
    palette?.addItem({ command: OPEN, category: 'Claude' });
    atFirstNotebook(tracker, () => void fill());
  }
};

/** The place of the panel, which is empty until it is looked at or a notebook is open. */
class SidePanel extends Panel {
  constructor(private readonly fill: () => void) {
    super();
    this.id = 'claude-jupyter-panel';
    this.title.caption = 'Claude: transcript and costs';
    this.title.label = 'Claude';
  }

  protected override onBeforeShow(): void {
    this.fill();
  }
}
