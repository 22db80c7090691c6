/** Ask, Fix, Explain, Stop: commands, a button on each cell, entries in menus. They write visible cells. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { putBelow } from './ask';
import { putButtons } from './buttons';
import { askAbout, explain, fix } from './pointing';
import { promptOf } from './prompt';
import { kindOf, outputsOf, Runs } from './seen';

export const COMMANDS = {
  ask: 'claude-jupyter:ask',
  fix: 'claude-jupyter:fix',
  explain: 'claude-jupyter:explain',
  stop: 'claude-jupyter:stop'
};
const PLUGIN = 'claude-jupyter:plugin';

export const buttons: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Commands and buttons that write prompt cells.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette],
  activate: (app, tracker: INotebookTracker, registry: ISettingRegistry | null, palette: ICommandPalette | null) => {
    let run = false;
    void registry
      ?.load(PLUGIN)
      .then(settings => {
        const read = (): void => void (run = settings.get('run').composite === true);
        settings.changed.connect(read);
        read();
      })
      .catch(error => console.warn('claude-jupyter: settings cannot be read', error));
    addCommands(app, tracker, () => run);
    for (const command of Object.values(COMMANDS)) {
      palette?.addItem({ command, category: 'Claude' });
    }
  }
};

function addCommands(app: JupyterFrontEnd, tracker: INotebookTracker, run: () => boolean): void {
  const { commands } = app;
  const describedBy = { args: { type: 'object', properties: {} } };
  const describedByCell = {
    args: { type: 'object', properties: { pointed: { type: 'boolean', description: 'Of the context menu: the cell under the pointer, not the active one' } } }
  };
  const runs = new Runs(tracker);
  const write = (panel: NotebookPanel, index: number, kind: 'ask' | 'fix' | 'explain', output = -1): void => {
    const cells = runs.cells(panel);
    const written = kind === 'ask' ? askAbout(cells, index) : (kind === 'fix' ? fix : explain)(cells, index, output);
    putBelow(panel, index, { ...written, run: run() && kind !== 'ask' });
  };
  const pointed = (args: ReadonlyPartialJSONObject): Cell | null => (args.pointed ? underPointer(app, tracker) : tracker.activeCell);
  const writeHere = (kind: 'ask' | 'fix' | 'explain', args: ReadonlyPartialJSONObject): void => {
    const panel = tracker.currentWidget;
    const cell = pointed(args);
    const index = panel && cell ? panel.content.widgets.indexOf(cell) : -1;
    if (panel && cell && index >= 0) {
      write(panel, index, kind, kind === 'ask' ? -1 : outputOf(cell.model, kind === 'fix'));
    }
  };
  const may = (panel: NotebookPanel): boolean => speaksPython(panel) && panel.content.model?.readOnly === false;
  putButtons(tracker, may, (panel, cell, output) => {
    const index = panel.content.widgets.indexOf(cell);
    if (index >= 0 && output >= 0) {
      write(panel, index, isCodeCellModel(cell.model) && cell.model.outputs.get(output).type === 'error' ? 'fix' : 'explain', output);
    }
  });
  const look = (): void => Object.values(COMMANDS).forEach(command => commands.notifyCommandChanged(command));
  tracker.activeCellChanged.connect((_, cell) => {
    cell?.model.mimeTypeChanged.connect(look); // it may become a prompt, or cease to be one
    look();
  });
  tracker.widgetAdded.connect((_, { content, context }) => {
    void context.ready.then(() => content.model?.metadataChanged.connect(look)); // the kernel says its language there
  });
  NotebookActions.executed.connect(look);
  const here = (): boolean => tracker.activeCell !== null && tracker.currentWidget !== null && speaksPython(tracker.currentWidget);
  const writable = (): boolean => here() && tracker.currentWidget?.content.model?.readOnly === false;
  commands.addCommand(COMMANDS.ask, {
    label: 'Ask Claude About This Cell',
    caption: 'Write a question about this cell into a new cell below',
    describedBy: describedByCell,
    isEnabled: writable,
    isVisible: args => here() && isNoPrompt(pointed(args)?.model),
    execute: args => writeHere('ask', args)
  });
  commands.addCommand(COMMANDS.fix, {
    label: 'Fix With Claude',
    caption: 'Write a question about this error into a new cell below',
    describedBy: describedByCell,
    isEnabled: writable,
    isVisible: args => here() && outputOf(pointed(args)?.model, true) >= 0,
    execute: args => writeHere('fix', args)
  });
  commands.addCommand(COMMANDS.explain, {
    label: 'Explain With Claude',
    caption: 'Write a question about this output into a new cell below',
    describedBy: describedByCell,
    isEnabled: writable,
    isVisible: args => here() && outputOf(pointed(args)?.model, true) < 0 && outputOf(pointed(args)?.model, false) >= 0,
    execute: args => writeHere('explain', args)
  });
  commands.addCommand(COMMANDS.stop, {
    label: 'Stop Claude',
    caption: 'Stop the answer that is arriving; what came is kept',
    describedBy,
    isEnabled: () => stopButton(tracker) !== null || tracker.currentWidget?.sessionContext.session?.kernel?.status === 'busy',
    isVisible: here,
    execute: async () => {
      const node = stopButton(tracker);
      if (node) {
        node.click();
      } else {
        await tracker.currentWidget?.sessionContext.session?.kernel?.interrupt();
      }
    }
  });
}

/** Whether the notebook's language is Python, as far as anybody has said; in another there is nothing that the buttons could write. */
function speaksPython({ content }: NotebookPanel): boolean {
  const told = (key: string, name: string): unknown => (content.model?.getMetadata(key) as Record<string, unknown> | undefined)?.[name];
  const language = told('language_info', 'name') ?? told('kernelspec', 'language');
  return typeof language !== 'string' || /^(?:i?python\d*|sage)?$/i.test(language);
}

/** Of an answer that is arriving, in the background too, while the kernel is idle. */
function stopButton(tracker: INotebookTracker): HTMLButtonElement | null {
  return tracker.currentWidget?.node.querySelector<HTMLButtonElement>('.cj-Answer .cj-stop:enabled') ?? null;
}

function isPrompt(model: ICellModel): boolean {
  return model.type === 'code' && promptOf(model.sharedModel.getSource()) !== null;
}

const isNoPrompt = (model: ICellModel | undefined): boolean => model !== undefined && !isPrompt(model);

/** The cell where the context menu was opened: a click on the text of a cell opens it, but does not make the cell the active one. */
function underPointer(app: JupyterFrontEnd, tracker: INotebookTracker): Cell | null {
  const node = app.contextMenuHitTest(candidate => candidate.classList.contains('jp-Cell'));
  return tracker.currentWidget?.content.widgets.find(cell => cell.node === node) ?? null;
}

/** The output that a command is about: the error, else the first picture, else the last that can be asked about; -1 if none. */
function outputOf(model: ICellModel | undefined, error: boolean): number {
  if (!model || isPrompt(model)) {
    return -1;
  }
  const kinds = outputsOf(model).map(kindOf);
  if (error) {
    return kinds.indexOf('error');
  }
  const image = kinds.indexOf('image');
  return image >= 0 ? image : kinds.map(kind => kind !== null).lastIndexOf(true);
}
