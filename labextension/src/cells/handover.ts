/**
 * Hands the kernel what the page shows of the cells that a question points at, just before the question's cell runs: they may have run
 * before the extension was loaded, or in an earlier kernel. And the files that the question's cell holds. And loads the extension for a cell that loads it and asks at once, because
 * `%%claude` below another line means something only to a kernel that knows us; what fits on one line is put there before it runs.
 *
 * A silent request on the same channel comes before the cell's own, also when both wait behind other cells.
 */

import { isCodeCellModel, type ICellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { hasNoTurns } from '../kernels';
import { MIME } from '../protocol';
import { attachmentsOf } from './attaching';
import { pointersIn, portable, type Pointers } from './pointing';
import { kindOf, outputsOf } from './seen';

const MOST = 8_000_000; // characters: a server refuses messages of 10 MB

interface PageCell {
  id: string;
  count: number | null;
  source: string;
  outputs: (IOutput | null)[];
}

export function handOver(tracker: INotebookTracker): void {
  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    const { sharedModel } = cell.model;
    const pointers = pointersIn(sharedModel.getSource());
    const panel = pointers && tracker.find(candidate => candidate.content === notebook);
    const kernel = panel?.sessionContext.session?.kernel;
    if (pointers?.loads && panel?.content.model?.readOnly === false) {
      const source = portable(sharedModel.getSource());
      if (source !== sharedModel.getSource()) {
        sharedModel.setSource(source);
      }
    }
    if (pointers && panel && kernel && (pointers.points || hasNoTurns(panel))) {
      kernel.requestExecute({ code: codeFor(pointers, panel, cell.model), silent: true, store_history: false, allow_stdin: false, stop_on_error: false }, true);
    }
  });
}

function codeFor(pointers: Pointers, panel: NotebookPanel, asking: ICellModel): string {
  const models = panel.content.widgets.map(({ model }) => model).filter(model => model !== asking);
  const cells = pointers.references.flatMap(({ cell, output }) => find(models, cell).map(model => read(model, output)));
  const failed = pointers.error ? lastFailure(models) : null;
  const message = JSON.stringify({
    cells: fitting(failed ? [...cells, read(failed, null)] : cells),
    places_corrections: pointers.fixes,
    asking: {
      cell: asking.id,
      answers_above: chatsAbove(panel, asking),
      ...(pointers.attached ? { attachments: attachmentsOf(asking, asking.sharedModel.getSource()) } : {})
    }
  });
  const load = pointers.loads ? [`    get_ipython().extension_manager.load_extension('claude_jupyter')`] : [];
  return [
    'try:',
    ...load,
    `    __import__('importlib').import_module('claude_jupyter.content.cells.page_cells').receive(${JSON.stringify(message)})`,
    'except Exception: pass'
  ].join('\n');
}

/** The chats of the answers that are above a cell: a kernel that has just started does not know them. */
function chatsAbove({ content }: NotebookPanel, asking: ICellModel): string[] {
  const models = content.widgets.map(({ model }) => model);
  const above = models.slice(0, Math.max(0, models.indexOf(asking)));
  const chats = above.flatMap(outputsOf).flatMap(({ data }) => {
    const { chat, once } = ((data as Record<string, unknown> | undefined)?.[MIME] ?? {}) as Record<string, unknown>;
    return typeof chat === 'string' && once !== true ? [chat] : [];
  });
  return [...new Set(chats)];
}

/** Cells with that execution count or id, or else the one whose id begins so. */
function find(models: ICellModel[], reference: string): ICellModel[] {
  const exact = models.filter(model => model.id === reference || String(countOf(model)) === reference);
  const near = exact.length || reference.length < 6 ? [] : models.filter(({ id }) => id.startsWith(reference));
  return exact.length ? exact : near.length === 1 ? near : [];
}

function lastFailure(models: ICellModel[]): ICellModel | null {
  const failed = models.filter(model => outputsOf(model).some(output => output.output_type === 'error'));
  return failed.reduce<ICellModel | null>((last, model) => (last && (countOf(last) ?? 0) > (countOf(model) ?? 0) ? last : model), null);
}

const countOf = (model: ICellModel): number | null => (isCodeCellModel(model) ? (model.executionCount ?? null) : null);

/** The cell, with all its outputs or one alone; of those that cannot be asked about only that they are there. */
function read(model: ICellModel, number: number | null): PageCell {
  const outputs = outputsOf(model).map((output, index) => (kindOf(output) !== null && (number === null || index === number - 1) ? output : null));
  return { id: model.id, count: countOf(model), source: model.sharedModel.getSource(), outputs };
}

/** The largest outputs are left out where all together would be refused. */
function fitting(cells: PageCell[]): PageCell[] {
  const sizes = cells.flatMap(({ outputs }) => outputs.map(output => ({ outputs, output, size: JSON.stringify(output).length })));
  let total = sizes.reduce((sum, { size }) => sum + size, 0);
  for (const { outputs, output, size } of sizes.sort((a, b) => b.size - a.size)) {
    if (total <= MOST) {
      break;
    }
    outputs[outputs.indexOf(output)] = null;
    total -= size;
  }
  return cells;
}
