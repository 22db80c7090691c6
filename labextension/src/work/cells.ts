/** Proposed cells in a notebook: put in, found again, taken out. Each change can be undone in the notebook. */

import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import type { INotebookModel, Notebook } from '@jupyterlab/notebook';
import type { PartialJSONObject } from '@lumino/coreutils';
import { originOf, type Origin, type Step } from './works';

const KEY = 'claude_jupyter';

export const indexOf = ({ widgets }: Notebook, id: string): number => (id ? widgets.findIndex(({ model }) => model.id === id) : -1);

const originIn = (model: ICellModel): Origin | null => originOf(model.getMetadata(KEY));

/**
 * The cell of a step: by its id, else by what its metadata says, as after a deletion was undone. One that came as the kernel's next
 * input, before it knew of this page, is known by its source.
 */
export function find(notebook: Notebook, step: Step): Cell | null {
  const index = indexOf(notebook, step.cell ?? '');
  if (index >= 0) {
    return notebook.widgets[index];
  }
  const open = notebook.widgets.filter(({ model }) => isCodeCellModel(model) && model.executionCount === null);
  const named = open.find(({ model }) => {
    const origin = originIn(model);
    return origin?.work === step.work && origin.step === step.step;
  });
  const unnamed = (): Cell | undefined =>
    step.cell === null && indexOf(notebook, step.after) >= 0
      ? open.find(({ model }) => !originIn(model) && model.sharedModel.getSource() === step.source)
      : undefined;
  const cell = named ?? unnamed() ?? null;
  if (cell && !named) {
    cell.model.setMetadata(KEY, originFor(step));
  }
  return cell;
}

const originFor = ({ work, step, line }: Step): PartialJSONObject => ({ work, step, line });

/** Put a step's cell below the cell that it follows; its id, or '' where that cell is not in this notebook. */
export function insert(notebook: Notebook, step: Step): string {
  const { model } = notebook;
  const corrected = indexOf(notebook, step.replaces);
  const preceding = corrected >= 0 ? corrected : indexOf(notebook, step.after);
  const above = preceding < 0 && step.agent && !step.after ? notebook.widgets.length - 1 : preceding;
  if (!model || model.readOnly || above < 0) {
    return '';
  }
  const next = notebook.widgets[above + 1]?.model;
  if (next && isEmpty(next)) {
    // Shift+Enter on the last cell has just made it.
    asOneStep(model, () => {
      next.sharedModel.setSource(step.source);
      next.setMetadata(KEY, originFor(step));
    });
    return next.id;
  }
  asOneStep(model, () => {
    const metadata = { trusted: true, [KEY]: originFor(step) };
    model.sharedModel.insertCell(above + 1, { cell_type: 'code', source: step.source, metadata });
  });
  return notebook.widgets[above + 1].model.id;
}

function isEmpty(model: ICellModel): boolean {
  return isCodeCellModel(model) && !model.sharedModel.getSource().trim() && model.outputs.length === 0 && model.executionCount === null;
}

/** Take cells out that are in this notebook; their ids. */
export function remove({ model }: Notebook, ids: readonly string[]): string[] {
  if (!model || model.readOnly || !ids.length) {
    return [];
  }
  const cells = model.sharedModel.cells.map(cell => cell.getId());
  const here = ids.filter(id => cells.includes(id));
  if (here.length) {
    // From the end: within a transaction the list of cells stays as it was before.
    const indices = here.map(id => cells.indexOf(id)).sort((a, b) => b - a);
    asOneStep(model, () => indices.forEach(index => model.sharedModel.deleteCell(index)));
  }
  return here;
}

/** A change that the notebook's undo takes back by itself: what follows within half a second is joined to the step before otherwise. */
function asOneStep({ sharedModel }: INotebookModel, change: () => void): void {
  const { undoManager } = sharedModel as { undoManager?: { stopCapturing(): void } };
  undoManager?.stopCapturing();
  sharedModel.transact(change);
  undoManager?.stopCapturing();
}
