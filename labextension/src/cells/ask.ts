/** Visible cells made by buttons: nothing here asks Claude, it writes what the user may run. Pure but for the notebook's model. */

import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

const LOADS = /^\s*%(?:load_ext|reload_ext)\s+claude_jupyter\b/m;

export interface Request {
  /** The cell's source. */
  source: string;
  /** Run it at once (a setting, off by default). */
  run: boolean;
}

/** Put a prompt cell below the cell at `index`, after a cell that loads the magic where none does; returns its index. */
export function putBelow(panel: NotebookPanel, index: number, { source, run }: Request): number {
  const notebook = panel.content;
  if (!notebook.model || notebook.model.readOnly) {
    return -1;
  }
  const sources = notebook.widgets.map(cell => cell.model.sharedModel.getSource());
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  const loads = sources.some(text => LOADS.test(text));
  if (!loads) {
    insert(panel, '%load_ext claude_jupyter');
    if (run) {
      void NotebookActions.run(notebook, panel.sessionContext);
    }
  }
  insert(panel, source);
  if (run) {
    void NotebookActions.run(notebook, panel.sessionContext);
  } else {
    notebook.mode = 'edit';
    const cell = notebook.activeCell;
    void cell?.ready.then(() => {
      const { editor } = cell;
      editor?.setCursorPosition(editor.getPositionAt(source.length) ?? { line: 0, column: 0 });
    });
  }
  return notebook.activeCellIndex;
}

function insert(panel: NotebookPanel, source: string): void {
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(source);
}
