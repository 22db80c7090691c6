/**
 * Tells the kernel which cells are on the page, from top to bottom, and which of them were merged from others, in the metadata of
 * executions that may ask something, or follow a deletion: the history of a question is that of the cells above it. And what the
 * settings editor says. A message of its own would wait while the kernel is busy.
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { page } from './page';
import { kernelSettings } from './settings';
import type { Kernel } from '@jupyterlab/services';

/** Executions that may ask something, or load the extension in the kernel. */
export const OURS = /claude/i;

/** From now on executions through this connection carry the notebook's cells. */
export function tellLayout(kernel: Kernel.IKernelConnection, panel: NotebookPanel): void {
  const execute = kernel.requestExecute.bind(kernel);
  kernel.requestExecute = (content, disposeOnDone, metadata) =>
    execute(content, disposeOnDone, matters(content.code, metadata) && !panel.isDisposed ? { ...metadata, ...layoutOf(panel) } : metadata);
}

/** JupyterLab names a deleted cell even where the deletion was undone: then the order says that it is there. */
function matters(code: string, metadata?: JSONObject): boolean {
  return OURS.test(code) || (Array.isArray(metadata?.deletedCells) && metadata.deletedCells.length > 0);
}

function layoutOf({ content, context }: NotebookPanel): { claude_jupyter: JSONObject } {
  const cells = content.widgets.map(({ model }) => model.id);
  const { merged } = page();
  return { claude_jupyter: { notebook: context.path, cells, ...(merged && { merged: cells.filter(id => merged.has(id)) }), ...kernelSettings() } };
}
