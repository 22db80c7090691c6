/** Ask, Fix, Explain, Stop: commands, a button on each cell, entries in menus. They write visible cells. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { modelLine } from '../format';
import { isLoaded, links } from '../kernels';
import { speaksPython } from '../language';
import { followSettings, kernelSettings, PLUGIN } from '../settings';
import { putBelow, runAtOnce } from './ask';
import { putButtons } from './buttons';
import { handOver } from './handover';
import { askAbout, explain, fix, referenceTo } from './pointing';
import { promptOf } from './prompt';
import { kindOf, outputAt, outputsOf } from './seen';

export const COMMANDS = {
  ask: 'claude-jupyter:ask',
  fix: 'claude-jupyter:fix',
  explain: 'claude-jupyter:explain',
  stop: 'claude-jupyter:stop',
  model: 'claude-jupyter:model'
};

export const buttons: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Commands and buttons that write prompt cells.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette],
  activate: (app, tracker: INotebookTracker, registry: ISettingRegistry | null, palette: ICommandPalette | null) => {
    if (registry) {
      followSettings(registry, settings => {
        runAtOnce(settings.get('run').composite === true);
        tracker.forEach(panel => links.get(panel)?.send('state', kernelSettings()));
      }).catch(error => console.warn('claude-jupyter: settings cannot be read', error));
    }
    handOver(tracker);
    addCommands(app, tracker);
    showShortcuts(app.commands);
    for (const command of Object.values(COMMANDS)) {
      palette?.addItem({ command, category: 'Claude' });
    }
  }
};

function addCommands(app: JupyterFrontEnd, tracker: INotebookTracker): void {
  const { commands } = app;
  const describedBy = { args: { type: 'object', properties: {} } };
  const describedByCell = {
    args: {
      type: 'object',
      properties: {
        pointed: { type: 'boolean', description: 'In the context menu: the cell under the pointer, not the active one' },
        toolbar: { type: 'boolean', description: "In the cell's toolbar: hidden if it can do nothing" }
      }
    }
  };
  const write = (panel: NotebookPanel, index: number, kind: 'ask' | 'fix' | 'explain', output = -1): void => {
    const models = panel.content.widgets.map(({ model }) => model);
    const cell = referenceTo(models[index].id, models.map(({ id }) => id));
    const loaded = isLoaded(panel);
    if (kind === 'ask') {
      putBelow(panel, index, askAbout(cell, loaded), false);
    } else if (kind === 'fix') {
      putBelow(panel, index, fix(cell, loaded));
    } else {
      const outputs = outputsOf(models[index]);
      putBelow(panel, index, explain(cell, output + 1, (outputs[output] && kindOf(outputs[output])) ?? 'text', loaded));
    }
  };
  const pointed = (args: ReadonlyPartialJSONObject): Cell | null => (args.pointed ? underPointer(app, tracker) : tracker.activeCell);
  /** In the context menu the output under the pointer, if it is one that can be asked about. */
  const outputFor = (cell: Cell | null, kind: 'fix' | 'explain', args: ReadonlyPartialJSONObject): number => {
    const node = args.pointed ? app.contextMenuHitTest(candidate => candidate.classList.contains('jp-OutputArea-child')) : undefined;
    const at = cell && node ? outputAt(cell, node) : -1;
    const outputKind = at >= 0 && !isPrompt(cell!.model) ? kindOf(outputsOf(cell!.model)[at]) : null;
    return outputKind !== null && outputKind !== 'error' && kind === 'explain' ? at : outputOf(cell?.model, kind === 'fix');
  };
  const writeHere = (kind: 'ask' | 'fix' | 'explain', args: ReadonlyPartialJSONObject): void => {
    const panel = tracker.currentWidget;
    const cell = pointed(args);
    const index = panel && cell ? panel.content.widgets.indexOf(cell) : -1;
    if (panel && cell && index >= 0) {
      write(panel, index, kind, kind === 'ask' ? -1 : outputFor(cell, kind, args));
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
    isEnabled: args => writable() && isNoPrompt(pointed(args)?.model),
    isVisible: args => inMenu(args) || (here() && isNoPrompt(pointed(args)?.model)),
    execute: args => writeHere('ask', args)
  });
  commands.addCommand(COMMANDS.fix, {
    label: 'Fix With Claude',
    caption: 'Write a question about this error into a new cell below',
    describedBy: describedByCell,
    isEnabled: args => writable() && outputOf(pointed(args)?.model, true) >= 0,
    isVisible: args => inMenu(args) || (here() && outputOf(pointed(args)?.model, true) >= 0),
    execute: args => writeHere('fix', args)
  });
  commands.addCommand(COMMANDS.explain, {
    label: 'Explain With Claude',
    caption: 'Write a question about this output into a new cell below',
    describedBy: describedByCell,
    isEnabled: args => writable() && outputFor(pointed(args), 'explain', args) >= 0,
    isVisible: args => inMenu(args) || (here() && outputOf(pointed(args)?.model, true) < 0 && outputFor(pointed(args), 'explain', args) >= 0),
    execute: args => writeHere('explain', args)
  });
  commands.addCommand(COMMANDS.model, {
    label: 'Choose Model…',
    caption: 'Choose the model for the next questions in this notebook, by name and price',
    describedBy,
    isEnabled: () => tracker.currentWidget !== null && isLoaded(tracker.currentWidget),
    isVisible: args => inMenu(args) || here(),
    execute: () => chooseModel(tracker)
  });
  commands.addCommand(COMMANDS.stop, {
    label: 'Stop Claude',
    caption: 'Stop the answer that is arriving; what has arrived is kept',
    describedBy,
    isEnabled: () => stopButton(tracker) !== null || tracker.currentWidget?.sessionContext.session?.kernel?.status === 'busy',
    isVisible: args => inMenu(args) || here(),
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

/** In the context menu too: a menu shows the shortcut whose arguments are those of its entry, so each gets a twin that no key reaches. */
function showShortcuts(commands: CommandRegistry): void {
  const twins = new Map<CommandRegistry.IKeyBinding, IDisposable>();
  const show = (binding: CommandRegistry.IKeyBinding): void => {
    const { command, args, keys } = binding;
    if (command.startsWith('claude-jupyter:') && !Object.keys(args).length) {
      twins.set(binding, commands.addKeyBinding({ command, args: { pointed: true }, keys: [...keys], selector: '.cj-shown-only' }));
    }
  };
  [...commands.keyBindings].forEach(show);
  commands.keyBindingChanged.connect((_, { type, binding }) => {
    if (type === 'added') {
      show(binding);
    } else {
      twins.get(binding)?.dispose();
      twins.delete(binding);
    }
  });
}

/** The models with their prices, to choose the one of the next questions. */
async function chooseModel(tracker: INotebookTracker): Promise<void> {
  const link = tracker.currentWidget && links.get(tracker.currentWidget);
  const { models, model } = link?.state ?? { models: [], model: '' };
  const items = models.map(modelLine);
  const { value } = await InputDialog.getItem({ title: 'Model for the next questions', label: 'List prices in USD per million tokens', items, current: models.findIndex(({ id }) => id === model) });
  const chosen = models[items.indexOf(value ?? '')];
  if (chosen) {
    link?.send('model', { name: chosen.id });
  }
}

/** Of an answer that is arriving, in the background too, while the kernel is idle. */
function stopButton(tracker: INotebookTracker): HTMLButtonElement | null {
  return tracker.currentWidget?.node.querySelector<HTMLButtonElement>('.cj-Answer .cj-stop:enabled') ?? null;
}

/** In the main menu and the palette commands stay, and are gray where they can do nothing. */
export const inMenu = (args: ReadonlyPartialJSONObject): boolean => args.pointed !== true && args.toolbar !== true;

function isPrompt(model: ICellModel): boolean {
  return model.type === 'code' && promptOf(model.sharedModel.getSource()) !== null;
}

const isNoPrompt = (model: ICellModel | undefined): boolean => model !== undefined && !isPrompt(model);

/** The cell where the context menu was opened: a click on the text of a cell opens it, but does not make the cell the active one. */
export function underPointer(app: JupyterFrontEnd, tracker: INotebookTracker): Cell | null {
  const node = app.contextMenuHitTest(candidate => candidate.classList.contains('jp-Cell'));
  return (node && tracker.currentWidget?.content.widgets.find(cell => cell.node === node)) ?? null;
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
