/** What JupyterLab lends to the view of answers, and the view's code, which comes when there is something to draw. */

import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

export interface Host {
  rendermime: IRenderMimeRegistry;
  languages: IEditorLanguageRegistry | null;
  tracker: INotebookTracker | null;
}

let host: Host | null = null;
let code: Promise<typeof import('./drawing')> | null = null;

/** Lend JupyterLab's services to what draws answers, now or when it comes. */
export function provide(lent: Host): void {
  host = lent;
  void code?.then(module => module.serve(lent));
}

/** The code that draws answers: fetched once, when it is first needed, or again if that failed. */
export function drawing(): Promise<typeof import('./drawing')> {
  if (!code) {
    code = import('./drawing').then(module => {
      if (host) {
        module.serve(host);
      }
      return module;
    });
    code.catch(() => (code = null));
  }
  return code;
}

/** Do it as soon as a notebook is open: JupyterLab's own start waits for nothing of ours. */
export function atFirstNotebook(tracker: INotebookTracker, start: () => void): void {
  if (tracker.size) {
    start();
    return;
  }
  const begin = (): void => {
    tracker.widgetAdded.disconnect(begin);
    start();
  };
  tracker.widgetAdded.connect(begin);
}
