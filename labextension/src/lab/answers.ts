/** Provides JupyterLab's own services to the answer view: Markdown, mathematics, colors, cells. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { atFirstNotebook, drawing, provide } from './host';

export const answers: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:answers',
  description: "Provides JupyterLab's Markdown, math and colors to the answer view.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [IEditorLanguageRegistry, INotebookTracker],
  activate: (_app, rendermime, languages, tracker) => {
    provide({ rendermime, languages, tracker });
    if (tracker) {
      atFirstNotebook(tracker, () => void drawing());
    }
  }
};
