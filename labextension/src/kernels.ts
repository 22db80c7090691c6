/** Which kernels have loaded the extension: known to all parts, while the links that find it out are loaded with the first notebook. */

import type { JSONObject } from '@lumino/coreutils';
import type { NotebookPanel } from '@jupyterlab/notebook';

/** A model with its list prices in USD per million tokens; null where they are not known. */
export interface Priced {
  id: string;
  input: number | null;
  output: number | null;
}

interface Link {
  /** What the kernel said last; null where it has not loaded `claude_jupyter`. */
  readonly state: { readonly turns: readonly unknown[]; readonly chat: string; readonly model: string; readonly models: readonly Priced[] } | null;
  send(op: string, more?: JSONObject): void;
  sent(id: string, place: number): Promise<{ text: string; image: string }>;
}

export const links = new WeakMap<NotebookPanel, Link>();

/** Whether the kernel's conversation is empty, as far as is known. */
export const hasNoTurns = (panel: NotebookPanel): boolean => !links.get(panel)?.state?.turns.length;

export const isLoaded = (panel: NotebookPanel): boolean => (links.get(panel)?.state ?? null) !== null;
