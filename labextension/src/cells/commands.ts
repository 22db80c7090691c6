/** Ask, Fix, Explain, Stop: commands, a button on each cell, entries in menus. They write visible cells. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { isCodeCellModel } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { putBelow } from './ask';
import { promptOf } from './prompt';

export const COMMANDS = {
  ask: 'claude-jupyter:ask',
  fix: 'claude-jupyter:fix',
  explain: 'claude-jupyter:explain',
  stop: 'claude-jupyter:stop'
};
const PLUGIN = 'claude-jupyter:plugin';

type Outputs = 'error' | 'image' | 'other' | 'none';

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
  const write = (source: string): void => {
    const panel = tracker.currentWidget;
    if (panel) {
      putBelow(panel, panel.content.activeCellIndex, { source, run: run() && !source.endsWith('\n') });
    }
  };
  const look = (): void => Object.values(COMMANDS).forEach(command => commands.notifyCommandChanged(command));
  tracker.activeCellChanged.connect(look);
  tracker.widgetAdded.connect((_, { content, context }) => {
    void context.ready.then(() => content.model?.metadataChanged.connect(look)); // the kernel says its language there
  });
  NotebookActions.executed.connect(look);
  const here = (): boolean => tracker.activeCell !== null && tracker.currentWidget !== null && speaksPython(tracker.currentWidget);
  const writable = (): boolean => here() && tracker.currentWidget?.content.model?.readOnly === false;
  commands.addCommand(COMMANDS.ask, {
    label: 'Ask Claude About This Cell',
    caption: 'Write a question about this cell into a new cell below',
    describedBy,
    isEnabled: writable,
    isVisible: () => here() && kindOf(tracker) !== 'prompt',
    execute: () => write('%%claude -l\n')
  });
  commands.addCommand(COMMANDS.fix, {
    label: 'Fix With Claude',
    caption: 'Write a question about this error into a new cell below',
    describedBy,
    isEnabled: writable,
    isVisible: () => here() && outputsOf(tracker) === 'error',
    execute: () => write('%%claude -e\nWhy does this fail, and how do I fix it?')
  });
  commands.addCommand(COMMANDS.explain, {
    label: 'Explain With Claude',
    caption: 'Write a question about this output into a new cell below',
    describedBy,
    isEnabled: writable,
    isVisible: () => here() && ['image', 'other'].includes(outputsOf(tracker)),
    execute: () => write(`%%claude ${outputsOf(tracker) === 'image' ? '-p' : '-l'}\nExplain this output.`)
  });
  commands.addCommand(COMMANDS.stop, {
    label: 'Stop Claude',
    caption: 'Stop the answer that is arriving; what came is kept',
    describedBy,
    isEnabled: () => tracker.currentWidget?.sessionContext.session?.kernel?.status === 'busy',
    isVisible: here,
    execute: async () => {
      const node = tracker.currentWidget?.node.querySelector<HTMLButtonElement>('.cj-Answer .cj-stop:enabled');
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

function kindOf(tracker: INotebookTracker): 'prompt' | 'code' | 'text' {
  const cell = tracker.activeCell;
  if (cell?.model.type !== 'code') {
    return 'text';
  }
  return promptOf(cell.model.sharedModel.getSource()) ? 'prompt' : 'code';
}

function outputsOf(tracker: INotebookTracker): Outputs {
  const model = tracker.activeCell?.model;
  if (!model || !isCodeCellModel(model) || model.outputs.length === 0 || kindOf(tracker) === 'prompt') {
    return 'none';
  }
  let found: Outputs = 'other';
  for (let i = 0; i < model.outputs.length; i++) {
    const output = model.outputs.get(i);
    if (output.type === 'error') {
      return 'error';
    }
    if (Object.keys(output.data).some(type => type.startsWith('image/'))) {
      found = 'image';
    }
  }
  return found;
}
