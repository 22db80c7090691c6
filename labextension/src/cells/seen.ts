/** The outputs of a notebook's cells as buttons see them. */

import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { FIX, MIME } from '../protocol';
import type { Kind } from './pointing';

const WIDGET = 'application/vnd.jupyter.widget-view+json';

/** The outputs of a cell as the notebook holds them; none of a model that is gone, as in the midst of a merge. */
export function outputsOf(model: ICellModel): IOutput[] {
  const outputs = isCodeCellModel(model) && !model.isDisposed ? model.outputs : null;
  return Array.from({ length: outputs?.length ?? 0 }, (_, i) => outputs!.get(i).toJSON());
}

/** What an output is to the buttons; null if there is nothing to ask about: widgets, answers and tables of ours. */
export function kindOf(output: IOutput): Kind | null {
  if (output.output_type === 'error') {
    return 'error';
  }
  if (output.output_type === 'stream') {
    return 'text';
  }
  const types = Object.keys((output.data as object | undefined) ?? {});
  const ours = 'claude_jupyter' in ((output.metadata as object | undefined) ?? {});
  if (!types.length || ours || types.includes(MIME) || types.includes(FIX) || types.includes(WIDGET)) {
    return null;
  }
  return types.some(type => type.startsWith('image/')) ? 'image' : output.output_type === 'execute_result' ? 'value' : 'text';
}

/** The index of a cell's output whose element holds `node`; -1 if none does. */
export function outputAt(cell: Cell, node: Node): number {
  return [...cell.node.querySelectorAll('.jp-Cell-outputArea > .jp-OutputArea-child')].findIndex(child => child.contains(node));
}
