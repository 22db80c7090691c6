/** The cells of a notebook as `pointing.ts` wants them, and which of them this kernel ran while this page looked on. */

import { isCodeCellModel, type Cell, type ICellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { MIME } from '../protocol';
import type { Kind, Seen } from './pointing';
import { promptOf } from './prompt';

export const WIDGET = 'application/vnd.jupyter.widget-view+json';

/** Which cells the kernel knows; a restarted one knows none. */
export class Runs {
  private ran = new WeakMap<ICellModel, object>();
  private readonly kernels = new WeakMap<NotebookPanel['content'], object>();

  constructor(tracker: INotebookTracker) {
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      this.ran.set(cell.model, this.kernel(notebook));
    });
    tracker.widgetAdded.connect((_, panel) => {
      const forget = (): void => void this.kernels.set(panel.content, {});
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
      const known = code && this.ran.get(model) === this.kernel(content);
      const outputs = code ? Array.from({ length: model.outputs.length }, (_, i) => seen(model.outputs.get(i).toJSON())) : [];
      return { source, code, asks: code && promptOf(source) !== null, ran: known ? (model.executionCount ?? null) : null, outputs };
    });
  }

  private kernel(notebook: NotebookPanel['content']): object {
    const known = this.kernels.get(notebook) ?? {};
    this.kernels.set(notebook, known);
    return known;
  }
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
