/** What JupyterLab provides to the answer view, and the view's code, which is loaded when there is something to draw. */

import type { Extension } from '@codemirror/state';
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

/** The notebooks of this page, if there are any. */
export const tracker = (): INotebookTracker | null => host?.tracker ?? null;

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

/** The language support of an editor for a MIME type, where JupyterLab has one. */
export async function languageOf(mimeType: string): Promise<Extension | null> {
  const spec = host?.languages?.findByMIME(mimeType);
  const language = spec && (await host?.languages?.getLanguage(spec));
  return language?.support ?? null;
}
