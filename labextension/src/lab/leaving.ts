/**
 * What is arriving when a page is left: kept in this tab for the page that is loaded next, because the notebook's file may hold nothing
 * of it. There it is in its cell at once, and continues as any answer whose end this page has missed.
 */

import { isCodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { isUnfinished } from '../snapshot';
import { idOf } from './outputs';

const KEY = 'claude-jupyter:arriving';

export interface Arriving {
  path: string;
  cell: string;
  output: IOutput;
}

export function leave(arriving: Arriving[]): void {
  try {
    sessionStorage.removeItem(KEY);
    if (arriving.length) {
      sessionStorage.setItem(KEY, JSON.stringify(arriving));
    }
  } catch {
    // Too large, or not allowed: the notebook's own file then has what was saved.
  }
}

/** Put what was arriving in this notebook when the page was left into its cells. */
export function takeUp(panel: NotebookPanel): void {
  const all = read();
  const ours = all.filter(({ path }) => path === panel.context.path);
  if (!ours.length) {
    return;
  }
  leave(all.filter(item => !ours.includes(item)));
  for (const { cell, output } of ours) {
    const model = panel.content.widgets.find(candidate => candidate.model.id === cell)?.model;
    if (!model || !isCodeCellModel(model) || panel.content.model?.readOnly !== false) {
      continue;
    }
    const { outputs } = model;
    const id = idOf(output as unknown as { data: object; metadata: object });
    const places = Array.from({ length: outputs.length }, (_, i) => i).filter(i => idOf(outputs.get(i)) === id);
    if (!places.length) {
      outputs.clear(); // what is there was saved before the cell ran
      outputs.add(output);
    } else if (isUnfinished(outputs.get(places[0]).metadata)) {
      outputs.set(places[0], output);
    }
  }
}

function read(): Arriving[] {
  try {
    const items: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return Array.isArray(items) ? (items as Arriving[]).filter(item => typeof item?.path === 'string' && typeof item.cell === 'string' && typeof item.output === 'object') : [];
  } catch {
    return [];
  }
}
