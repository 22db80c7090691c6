/** Commands for a proposed cell that waits: its buttons, from the palette. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { waiting, type Act } from './here';

const COMMANDS: readonly [string, Act, string, string][] = [
  ['claude-jupyter:keep-going', 'keepGoing', "Keep Going With Claude's Work", 'Run the proposed cell and the next ones that only read and add'],
  ['claude-jupyter:skip-step', 'skip', 'Skip the Cell Claude Proposes', 'Do not run it: Claude continues without it'],
  ['claude-jupyter:stop-work', 'stop', "Stop Claude's Work", 'Nothing more is proposed; what was done is kept']
];

export const works: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:works',
  description: 'Commands for cells that Claude proposes.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate: ({ commands }, tracker: INotebookTracker, palette: ICommandPalette | null) => {
    const here = (): { readonly steps: readonly unknown[]; act(name: Act): void } | undefined =>
      tracker.currentWidget ? waiting.get(tracker.currentWidget) : undefined;
    for (const [command, act, label, caption] of COMMANDS) {
      commands.addCommand(command, {
        label,
        caption,
        describedBy: { args: { type: 'object', properties: {} } },
        isEnabled: () => (here()?.steps.length ?? 0) > 0,
        execute: () => here()?.act(act)
      });
      palette?.addItem({ command, category: 'Claude' });
    }
  }
};
