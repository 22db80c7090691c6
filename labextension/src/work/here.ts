/** Which notebooks of this page have cells of Claude's that wait: known to the commands, while the code comes with the first notebook. */

import type { NotebookPanel } from '@jupyterlab/notebook';

export type Act = 'keepGoing' | 'skip' | 'stop';

export const waiting = new WeakMap<NotebookPanel, { readonly steps: readonly unknown[]; act(name: Act): void }>();
