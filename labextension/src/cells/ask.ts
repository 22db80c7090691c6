/** Visible cells made by buttons: nothing here asks Claude, it writes what the user may run. */

import { isCodeCellModel } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Written } from './pointing';

/** Whether such cells are run at once: a setting, off by default. */
let runsAtOnce = false;

export function runAtOnce(yes: boolean): void {
  runsAtOnce = yes;
}

/** Put a prompt cell below the cell at `index`; returns its index. One that waits for its question is never run. */
export function putBelow(panel: NotebookPanel, index: number, { source, caret }: Written, whole = true): number {
  const notebook = panel.content;
  if (!notebook.model || notebook.model.readOnly) {
    return -1;
  }
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  if (notebook.widgets[index + 1]?.model.sharedModel.getSource() === source) {
    notebook.activeCellIndex = index + 1; // written already
  } else {
    insert(panel, source);
  }
  if (runsAtOnce && whole) {
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
