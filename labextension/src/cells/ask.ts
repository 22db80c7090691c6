/** Visible cells made by buttons: nothing here asks Claude, it writes what the user may run. Pure but for the notebook's model. */

import { isCodeCellModel } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Written } from './pointing';
import { LOADS } from './seen';

const LOAD = '%load_ext claude_jupyter';

export interface Request extends Written {
  /** Run it at once (a setting, off by default). */
  run: boolean;
}

/**
 * Put a prompt cell below the cell at `index`, after a cell that loads the magic where none does; returns its index. What must run again
 * to be seen has that cell above it.
 */
export function putBelow(panel: NotebookPanel, index: number, { source, caret, run, again }: Request): number {
  const notebook = panel.content;
  if (!notebook.model || notebook.model.readOnly) {
    return -1;
  }
  const sources = notebook.widgets.map(cell => cell.model.sharedModel.getSource());
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  const loads = sources.some(text => LOADS.test(text));
  if (sources[index + 1] === source) {
    notebook.activeCellIndex = index + 1; // written already
    return index + 1;
  }
  if (!loads && again) {
    NotebookActions.insertAbove(notebook);
    notebook.activeCell?.model.sharedModel.setSource(LOAD);
    notebook.activeCellIndex += 1;
  } else if (!loads) {
    insert(panel, LOAD);
    if (run) {
      void NotebookActions.run(notebook, panel.sessionContext);
    }
  }
  insert(panel, source);
  if (run && !again) {
    void NotebookActions.run(notebook, panel.sessionContext);
  } else {
    notebook.mode = 'edit';
    const cell = notebook.activeCell;
    void cell?.ready.then(() => {
      const { editor } = cell;
      editor?.setCursorPosition(editor.getPositionAt(caret) ?? { line: 0, column: 0 });
    });
  }
  return notebook.activeCellIndex;
}

/** Into the next cell where that is an empty one, else into a new one; it becomes the active cell. */
function insert({ content }: NotebookPanel, source: string): void {
  const next = content.widgets[content.activeCellIndex + 1]?.model;
  if (next && isCodeCellModel(next) && !next.sharedModel.getSource().trim() && next.outputs.length === 0) {
    content.activeCellIndex += 1;
  } else {
    NotebookActions.insertBelow(content);
  }
  content.activeCell?.model.sharedModel.setSource(source);
}
