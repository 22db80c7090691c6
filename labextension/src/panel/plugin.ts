/** Status bar and side panel, fed by the link with each notebook's kernel. Their content is loaded with the first notebook. */

import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { LabIcon } from '@jupyterlab/ui-components';
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
      label: 'Show Transcript and Costs',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: open
    });
    palette?.addItem({ command: OPEN, category: 'Claude' });
    atFirstNotebook(tracker, () => void fill());
  }
};

/** A question and its answer. */
const icon = new LabIcon({
  name: 'claude-jupyter:panel',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><path d="M4 3h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H8l-4 3.5V13a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm1.5 3v1.6h8V6zm0 3v1.6h5V9z"/><path d="M18.6 8H20a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2v3.5L16 18h-5a2 2 0 0 1-2-1.8V15h1.6v1.4h6l1.8 1.5v-1.5H20V10h-1.4z"/></g></svg>`
});

/** The place of the panel, which is empty until it is looked at or a notebook is open. */
class SidePanel extends Panel {
  constructor(private readonly fill: () => void) {
    super();
    this.id = 'claude-jupyter-panel';
    this.title.caption = 'Claude: transcript and costs';
    this.title.icon = icon;
  }

  protected override onBeforeShow(): void {
    this.fill();
  }
}
