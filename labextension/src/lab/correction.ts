/** What `%claude_fix` found: the lines that change, and where to put the corrected cell. Nothing is run. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';
import { button, el } from '../answer/dom';
import { FIX } from '../protocol';
import { tracker } from './host';

interface Correction {
  cell: string;
  before: string;
  after: string;
  changes: [string, string][];
}

function read(value: unknown): Correction | null {
  const { cell, before, after, changes } = (value ?? {}) as Record<string, unknown>;
  const fits = typeof before === 'string' && typeof after === 'string' && Array.isArray(changes);
  const pairs = fits ? changes.filter((line): line is [string, string] => Array.isArray(line) && line.length === 2 && line.every(part => typeof part === 'string')) : [];
  return fits ? { cell: typeof cell === 'string' ? cell : '', before, after, changes: pairs } : null;
}

export class CorrectionRenderer extends Widget implements IRenderMime.IRenderer {
  constructor() {
    super();
    this.addClass('cj-Correction');
  }

  async renderModel({ data, trusted }: IRenderMime.IMimeModel): Promise<void> {
    const correction = read(data[FIX]);
    if (!correction) {
      this.node.textContent = String(data['text/plain'] ?? '');
      return;
    }
    const lines = correction.changes.map(([sign, text]) => {
      const line = el('span', sign === '-' ? 'cj-minus' : sign === '+' ? 'cj-plus' : '', `${sign} ${text}\n`);
      return line;
    });
    const code = el('pre', '', ...lines);
    code.tabIndex = 0; // scrolls by keyboard
    code.setAttribute('aria-label', 'What would change');
    this.node.replaceChildren(code, actions(this.node, correction, trusted));
  }
}

function actions(node: HTMLElement, { cell, before, after }: Correction, trusted: boolean): HTMLElement {
  const status = el('span', 'cj-said');
  status.setAttribute('role', 'status');
  let sure = false;
  const replace = button('cj-action', 'Replace', () => {
    const place = placeOf(node, cell);
    const source = place?.panel.content.widgets[place.index]?.model.sharedModel;
    if (!place || place.index < 0 || !source) {
      status.textContent = 'The cell that failed is no longer in this notebook.';
      return;
    }
    if (source.getSource() !== before && source.getSource() !== after && !sure) {
      sure = true;
      replace.textContent = 'Replace anyway';
      status.textContent = 'The cell has been edited since it failed.';
      return;
    }
    source.setSource(after);
    place.panel.content.activeCellIndex = place.index;
    void place.panel.content.scrollToItem(place.index, 'auto');
    status.textContent = 'Replaced; Ctrl+Z in the cell brings the old one back.';
  });
  replace.title = 'Put the corrected cell in place of the one that failed; it is not run';
  const insert = button('cj-action', 'Insert below', () => {
    const host = tracker();
    const place = placeOf(node, cell);
    if (host && place) {
      void import('./services').then(({ insertBelow }) => insertBelow(host, after, node));
    }
  });
  const review = button('cj-action', 'Review', () => {
    const place = placeOf(node, cell);
    const target = place?.panel.content.widgets[place.index];
    if (!place || !target) {
      status.textContent = 'The cell that failed is no longer in this notebook.';
      return;
    }
    void import('../change/open').then(({ proposeChange }) => proposeChange(place.panel, target, after));
  });
  review.title = 'Show the change in the cell that failed, to accept all or part of it';
  insert.title = 'Put the corrected cell below this one; it is not run';
  for (const item of [replace, review, insert]) {
    item.disabled = !trusted;
    item.title = trusted ? item.title : 'Trust this notebook first';
  }
  return el('div', 'cj-actions', replace, review, insert, status);
}

/** The notebook that shows it, and where the cell that failed is there now. */
function placeOf(node: HTMLElement, cell: string): { panel: NotebookPanel; index: number } | null {
  const panel = tracker()?.find(candidate => candidate.node.contains(node));
  if (!panel || panel.content.model?.readOnly) {
    return null;
  }
  return { panel, index: panel.content.widgets.findIndex(({ model }) => model.id === cell) };
}
