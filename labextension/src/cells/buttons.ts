/**
 * *Fix* and *Explain* on the outputs themselves: seen while the pointer is over the output or the button has the focus. An output gets
 * its button when the pointer first comes over it, or when its cell becomes the active one: so the keyboard reaches it, and a long
 * notebook has no button that nobody looks for.
 */

import { CodeCell, type Cell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { button } from '../answer/dom';
import { promptOf } from './prompt';
import { kindOf, outputAt, outputsOf } from './seen';

/** What to do at a click: `output` is an index into the cell's outputs. */
type Act = (panel: NotebookPanel, cell: Cell, output: number) => void;

export function putButtons(tracker: INotebookTracker, allowed: (panel: NotebookPanel) => boolean, act: Act): void {
  const follow = (panel: NotebookPanel): void => {
    const { content } = panel;
    const decorate = (cell: Cell | null | undefined): void => {
      if (cell instanceof CodeCell && allowed(panel) && !promptOf(cell.model.sharedModel.getSource())) {
        const outputs = outputsOf(cell.model);
        cell.node.querySelectorAll<HTMLElement>('.jp-Cell-outputArea > .jp-OutputArea-child').forEach((child, index) => {
          label(child, outputs[index], () => act(panel, cell, outputAt(cell, child)));
        });
      }
    };
    panel.node.addEventListener('pointerover', ({ target }) => {
      if (target instanceof Element && target.closest('.jp-OutputArea-child')) {
        decorate(content.widgets.find(cell => cell.node.contains(target)));
      }
    });
    content.activeCellChanged.connect((_, cell) => decorate(cell));
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      if (notebook === content && cell === content.activeCell) {
        decorate(cell);
      }
    });
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}

function label(child: HTMLElement, output: IOutput | undefined, onClick: () => void): void {
  const kind = output && kindOf(output);
  const old = child.querySelector(':scope > .cj-about');
  const text = kind === 'error' ? 'Fix' : 'Explain';
  if (!kind || old?.textContent !== text) {
    old?.remove();
  }
  if (kind && old?.textContent !== text) {
    const node = button('cj-about', text, onClick);
    node.title = kind === 'error' ? 'Fix this error with Claude: writes a question into a cell below' : 'Explain this output with Claude: writes a question into a cell below';
    node.setAttribute('aria-label', node.title.split(':')[0]);
    child.classList.add('cj-asked');
    child.append(node);
  }
}
