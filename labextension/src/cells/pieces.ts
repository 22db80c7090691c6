/** Prompt cells that are split or merged stay prompt cells: each piece gets the magic's line, a merged cell keeps one. */

import type { INotebookTracker, Notebook } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import { page } from '../page';
import { PROMPT_MIME } from './editor';
import { promptOf, questionOf } from './prompt';

const SPLIT = 'notebook:split-cell-at-cursor';
const MERGE = new Set(['notebook:merge-cells', 'notebook:merge-cell-above', 'notebook:merge-cell-below']);
const MAGIC = /^%%claude(?![\w?])([^\n]*)\n*/;
const FRESH = /[ \t]+(?:-n|--new)(?![^ \t])/g;

/** A later piece of a prompt, under the line of the first; a piece of a conversation does not begin it anew. */
export function underMagic(first: string, piece: string): string {
  const prompt = promptOf(first);
  return prompt ? `${first.slice(prompt.from, prompt.lineEnd).replace(FRESH, '')}\n${piece}` : piece;
}

/** One prompt made of several: the values that later lines name join the first line, their options go. */
export function withOneMagic(source: string): string {
  const prompt = promptOf(source);
  if (!prompt) {
    return source;
  }
  let line = source.slice(prompt.from, prompt.lineEnd);
  let fence = '';
  const lines = source.slice(prompt.lineEnd).split(/(?<=\n)/).filter(text => {
    const mark = /^ {0,3}(```|~~~)/.exec(text)?.[1] ?? '';
    fence = mark && !fence ? mark : mark === fence ? '' : fence;
    const magic = fence ? null : MAGIC.exec(text);
    if (magic && !/(?:^|\s)-/.test(magic[1])) {
      const words = line.split(/\s+/);
      line += magic[1].trim().split(/\s+/).filter(word => word && !words.includes(word)).map(word => ` ${word}`).join('');
    }
    return !magic;
  });
  return source.slice(0, prompt.from) + line + lines.join('');
}

export function keepPrompts(commands: CommandRegistry, tracker: INotebookTracker): void {
  commands.commandExecuted.connect((_, { id }) => {
    const notebook = id === SPLIT || MERGE.has(id) ? tracker.currentWidget?.content : null;
    if (notebook?.model && !notebook.model.readOnly) {
      notebook.model.sharedModel.transact(() => (id === SPLIT ? headPieces(notebook) : joinPieces(notebook)));
    }
  });
}

/** The last piece stays in the cell that was split, and its language is not settled yet: that tells what it was. */
function headPieces(notebook: Notebook): void {
  const { widgets, activeCellIndex } = notebook;
  const isPiece = (at: number): boolean => at >= 0 && !promptOf(widgets[at].model.sharedModel.getSource());
  if (!widgets[activeCellIndex] || (notebook.activeCell!.model as { mimeType?: string }).mimeType !== PROMPT_MIME) {
    return;
  }
  let first = activeCellIndex;
  while (isPiece(first)) {
    if (questionOf(widgets[first].model.sharedModel.getSource())) {
      return; // a question in one line
    }
    first -= 1;
  }
  for (let at = first + 1; first >= 0 && at <= activeCellIndex; at++) {
    const { sharedModel } = widgets[at].model;
    sharedModel.setSource(underMagic(widgets[first].model.sharedModel.getSource(), sharedModel.getSource()));
  }
}

function joinPieces(notebook: Notebook): void {
  const sharedModel = notebook.activeCell?.model.sharedModel;
  if (sharedModel) {
    (page().merged ??= new Set()).add(sharedModel.id);
  }
  const source = sharedModel?.getSource() ?? '';
  const joined = withOneMagic(source);
  if (joined !== source) {
    sharedModel!.setSource(joined);
  }
}
