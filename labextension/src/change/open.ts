/** Opens the line above a cell, or the diff of a change that is known. */

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelLink } from '../kernel';
import { links } from '../kernels';
import { ChangeBar } from './bar';

const bars = new WeakMap<Cell, ChangeBar>();

function barOf(panel: NotebookPanel, cell: Cell): ChangeBar {
  const old = bars.get(cell);
  if (old && !old.isDisposed) {
    return old;
  }
  const bar = new ChangeBar(panel, cell, (links.get(panel) as KernelLink | undefined) ?? null);
  bars.set(cell, bar);
  return bar;
}

export async function openChange(panel: NotebookPanel, cell: Cell): Promise<void> {
  await cell.ready;
  for (let n = 0; n < 100 && !links.has(panel); n++) {
    await new Promise(resolve => setTimeout(resolve, 50)); // it comes with the first notebook, soon
  }
  barOf(panel, cell).begin();
}

/** Show what `source` would change in a cell. */
export async function proposeChange(panel: NotebookPanel, cell: Cell, source: string): Promise<void> {
  await cell.ready;
  bars.get(cell)?.dispose();
  await barOf(panel, cell).propose(source);
}
