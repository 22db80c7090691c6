/**
 * Answers that a page reload would lose. JupyterLab attaches nothing to outputs of an execution that began before the page was
 * loaded; here the finished bundle is put into the output that carries its id, or else into the cell that asked.
 */

import { isCodeCellModel, type ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IOutput } from '@jupyterlab/nbformat';
import type { KernelMessage } from '@jupyterlab/services';
import { JSONExt, type ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { KernelLink } from '../kernel';
import { MIME } from '../protocol';
import { bundleOf, type Bundle } from '../state';

export class Recovery {
  /** Executions that began while this page was there: their outputs are JupyterLab's business. */
  private readonly seen = new Set<string>();
  private readonly lost = new Map<string, Bundle>();

  constructor(private readonly link: KernelLink) {
    link.panel.sessionContext.iopubMessage.connect(this.onMessage, this);
    link.changed.connect(this.settle, this);
    link.answered.connect((_, bundle) => {
      this.lost.set(bundle.id, bundle);
      this.settle();
      link.refresh();
    });
  }

  private onMessage(_: unknown, message: KernelMessage.IMessage): void {
    const parent = 'msg_id' in message.parent_header ? message.parent_header.msg_id : '';
    if (message.header.msg_type === 'execute_input') {
      this.seen.add(parent);
    } else if (message.header.msg_type === 'update_display_data') {
      const { data, metadata } = (message as KernelMessage.IUpdateDisplayDataMsg).content;
      const bundle = bundleOf(data, metadata);
      if (bundle && !replaced(this.link.panel, bundle) && !this.seen.has(parent)) {
        this.lost.set(bundle.id, bundle); // its cell is known when the kernel has told its turns
      }
    }
  }

  private settle(): void {
    const { panel, state } = this.link;
    for (const turn of this.lost.size ? (state?.turns ?? []) : []) {
      const bundle = this.lost.get(turn.answer);
      const cell = bundle && panel.content.widgets.find(({ model }) => model.id === turn.cell)?.model;
      if (bundle && cell && isCodeCellModel(cell) && writable(panel)) {
        this.lost.delete(turn.answer);
        if (!replaced(panel, bundle)) {
          put(cell, bundle, new Set(state!.turns.map(({ answer }) => answer)));
        }
      }
    }
  }
}

/** The answers that stand in outputs of a notebook, arriving or finished. */
export function answersIn(panel: NotebookPanel): Set<string> {
  const ids = new Set<string>();
  for (const { outputs } of codeCells(panel)) {
    for (let i = 0; i < outputs.length; i++) {
      ids.add(idOf(outputs.get(i)));
    }
  }
  return ids;
}

/** Whether an output carries that answer; it holds the bundle then. */
function replaced(panel: NotebookPanel, bundle: Bundle): boolean {
  let found = false;
  for (const { outputs } of codeCells(panel)) {
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs.get(i);
      if (idOf(output) !== bundle.id) {
        continue;
      }
      found = true;
      const now = output.data[MIME] as ReadonlyPartialJSONValue | undefined;
      if (!JSONExt.deepEqual(now ?? null, bundle.data[MIME] as ReadonlyPartialJSONValue) && writable(panel)) {
        outputs.set(i, display(bundle));
      }
    }
  }
  return found;
}

/** Into the cell: in the place of an answer that is no longer part of the conversation, else at the end. */
function put({ outputs }: ICodeCellModel, bundle: Bundle, current: Set<string>): void {
  for (let i = 0; i < outputs.length; i++) {
    const id = idOf(outputs.get(i));
    if (id && !current.has(id)) {
      outputs.set(i, display(bundle));
      return;
    }
  }
  outputs.add(display(bundle));
}

function display({ data, metadata }: Bundle): IOutput {
  return { output_type: 'display_data', data, metadata } as IOutput;
}

function idOf(output: { data: object; metadata: object }): string {
  const { claude_jupyter: ours } = output.metadata as { claude_jupyter?: { id?: unknown } | null };
  const answer = (output.data as Record<string, { id?: unknown } | null | undefined>)[MIME];
  const id = answer?.id ?? ours?.id;
  return typeof id === 'string' ? id : '';
}

function codeCells(panel: NotebookPanel): ICodeCellModel[] {
  return panel.content.widgets.map(({ model }) => model).filter(isCodeCellModel);
}

function writable(panel: NotebookPanel): boolean {
  return panel.content.model?.readOnly === false;
}
