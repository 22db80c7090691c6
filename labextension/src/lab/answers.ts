/** Lends JupyterLab's own services to the view of answers: Markdown, mathematics, colours, cells. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { mount, type Mount } from '../answer/mount';
import { lend } from '../page';
import { Keeper } from './keeping';
import { labServices } from './services';
import { provide } from './renderer';

export const answers: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:answers',
  description: "Lends JupyterLab's Markdown, mathematics and colours to the view of answers.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [IEditorLanguageRegistry, INotebookTracker],
  activate: (_app, rendermime, languages, tracker) => {
    const services = labServices(rendermime, languages, tracker);
    provide(services);
    lend((where: Mount) => mount(where, services));
    if (tracker) {
      new Keeper(tracker);
    }
  }
};
