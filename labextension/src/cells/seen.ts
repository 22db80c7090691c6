/** The cells of a notebook as `pointing.ts` wants them, and which of them this kernel ran while this page looked on. */

import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { MIME } from '../protocol';
import type { Kind, Seen } from './pointing';
import { promptOf } from './prompt';

export const WIDGET = 'application/vnd.jupyter.widget-view+json';

/** The cell that makes the magic, which sees what cells show from then on. */
export const LOADS = /^\s*%(?:load_ext|reload_ext)\s+claude_jupyter\b/m;

/** A kernel between two restarts; `loaded` is null until its first cell tells whether it is a fresh one. */
interface Life {
  loaded: boolean | null;
}

/** Which cells the kernel knows, and which of them the magic has seen; a restarted one knows none. */
export class Runs {
  private ran = new WeakMap<ICellModel, { life: Life; noticed: boolean }>();
  private readonly lives = new WeakMap<NotebookPanel['content'], Life>();

  constructor(tracker: INotebookTracker) {
    NotebookActions.executed.connect((_, { notebook, cell, success }) => {
      const { model } = cell;
      const life = this.life(notebook);
      const count = isCodeCellModel(model) ? model.executionCount : null;
      life.loaded ??= count !== 1 && notebook.widgets.some(other => other.model !== model && loads(other.model) && wasRun(other.model));
      this.ran.set(model, { life, noticed: life.loaded });
      life.loaded ||= success && loads(model);
    });
    tracker.widgetAdded.connect((_, panel) => {
      const forget = (): void => void this.lives.set(panel.content, { loaded: null });
      panel.sessionContext.kernelChanged.connect(forget);
      panel.sessionContext.statusChanged.connect((_, status) => {
        if (status === 'restarting' || status === 'autorestarting') {
          forget();
        }
      });
    });
  }

  cells({ content }: NotebookPanel): Seen[] {
    return content.widgets.map(({ model }) => {
      const code = isCodeCellModel(model);
      const source = model.sharedModel.getSource();
      const run = this.ran.get(model);
      const ran = code && run?.life === this.life(content) ? (model.executionCount ?? null) : null;
      const outputs = outputsOf(model).map(seen);
      return { source, code, asks: code && promptOf(source) !== null, ran, noticed: ran !== null && run!.noticed, outputs };
    });
  }

  private life(notebook: NotebookPanel['content']): Life {
    const known = this.lives.get(notebook) ?? { loaded: null };
    this.lives.set(notebook, known);
    return known;
  }
}

const loads = (model: ICellModel): boolean => model.type === 'code' && LOADS.test(model.sharedModel.getSource());
const wasRun = (model: ICellModel): boolean => isCodeCellModel(model) && model.executionCount !== null;

/** The outputs of a cell as the notebook holds them; none of a model that is gone, as in the midst of a merge. */
export function outputsOf(model: ICellModel): IOutput[] {
  const outputs = isCodeCellModel(model) && !model.isDisposed ? model.outputs : null;
  return Array.from({ length: outputs?.length ?? 0 }, (_, i) => outputs!.get(i).toJSON());
}

/** What an output is to the buttons; null where there is nothing to ask about. */
export function kindOf(output: IOutput): Kind | null {
  if (output.output_type === 'error') {
    return 'error';
  }
  if (output.output_type === 'stream') {
    return 'text';
  }
  const types = Object.keys((output.data as object | undefined) ?? {});
  if (!types.length || types.includes(MIME) || types.includes(WIDGET)) {
    return null;
  }
  return types.some(type => type.startsWith('image/')) ? 'image' : output.output_type === 'execute_result' ? 'value' : 'text';
}

function seen(output: IOutput): { kind: Kind; text: string } {
  return { kind: kindOf(output) ?? 'text', text: textOf(output) };
}

function textOf(output: IOutput): string {
  const data = (output.data ?? {}) as Record<string, unknown>;
  const lines = output.output_type === 'error' ? (output.traceback as string[]).join('\n') : (output.text ?? data['text/plain'] ?? data['text/markdown'] ?? '');
  // eslint-disable-next-line no-control-regex
  return String(Array.isArray(lines) ? lines.join('') : lines).replace(/\u001b\[[\d;]*[A-Za-z]/g, '');
}

/** The index of a cell's output whose element holds `node`; -1 if none does. */
export function outputAt(cell: Cell, node: Node): number {
  return [...cell.node.querySelectorAll('.jp-Cell-outputArea > .jp-OutputArea-child')].findIndex(child => child.contains(node));
}
