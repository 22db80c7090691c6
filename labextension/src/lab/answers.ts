/** Lends JupyterLab's own services to the view of answers: Markdown, mathematics, colours, cells. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { atFirstNotebook, drawing, provide } from './host';

export const answers: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:answers',
  description: "Lends JupyterLab's Markdown, mathematics and colours to the view of answers.",
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
