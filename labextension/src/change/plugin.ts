/** *Change this cell…*: a command with a shortcut, a toolbar button and an entry in the context menu. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { isCodeCellModel, type Cell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { inMenu, underPointer } from '../cells/commands';
import { promptOf } from '../cells/prompt';
import { speaksPython } from '../language';

const CHANGE = 'claude-jupyter:change';

export const changes: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:changes',
  description: 'Changes a cell as the user asks, with a diff in the cell.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, palette: ICommandPalette | null) => {
    const { commands } = app;
    const cellOf = (pointed: unknown): Cell | null => (pointed ? underPointer(app, tracker) : tracker.activeCell);
    const here = (): boolean => tracker.currentWidget !== null && speaksPython(tracker.currentWidget);
    const may = (cell: Cell | null): boolean =>
      here() && cell !== null && isCodeCellModel(cell.model) && !promptOf(cell.model.sharedModel.getSource()) && tracker.currentWidget?.content.model?.readOnly === false;
    commands.addCommand(CHANGE, {
      label: 'Change This Cell…',
      caption: 'Say what should change in this cell, and see the diff before you accept it; the cell is not run',
      describedBy: {
        args: { type: 'object', properties: { pointed: { type: 'boolean', description: 'In the context menu: the cell under the pointer, not the active one' } } }
      },
      isVisible: args => inMenu(args) || may(cellOf(args.pointed)),
      isEnabled: args => may(cellOf(args.pointed)),
      execute: async args => {
        const panel = tracker.currentWidget;
        const cell = cellOf(args.pointed);
        if (panel && cell && may(cell)) {
          const { openChange } = await import('./open');
          await openChange(panel, cell);
        }
      }
    });
    palette?.addItem({ command: CHANGE, category: 'Claude' });
    const look = (): void => commands.notifyCommandChanged(CHANGE);
    tracker.activeCellChanged.connect((_, cell) => {
      cell?.model.mimeTypeChanged.connect(look); // it may become a prompt, or cease to be one
      look();
    });
    tracker.widgetAdded.connect((_, { content, context }) => {
      void context.ready.then(() => content.model?.metadataChanged.connect(look)); // the kernel says its language there
    });
  }
};
