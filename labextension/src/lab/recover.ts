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
import { page } from '../page';
import { MIME } from '../protocol';
import { isUnfinished } from '../snapshot';
import { bundleOf, type Bundle } from '../state';
import { idOf } from './outputs';

export class Recovery {
  /** Executions that began while this page was there: their outputs are JupyterLab's business. */
  private readonly seen = new Set<string>();
  private readonly lost = new Map<string, Bundle>();
  private readonly asked = new Set<string>();
  /** Answers of which this page saw the beginning or the end. */
  private readonly met = new Set<string>();

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
    } else if (message.header.msg_type === 'display_data') {
      this.met.add(idOf((message as KernelMessage.IDisplayDataMsg).content));
    } else if (message.header.msg_type === 'update_display_data') {
      const { data, metadata } = (message as KernelMessage.IUpdateDisplayDataMsg).content;
      this.met.add(idOf({ data, metadata }));
      const bundle = bundleOf(data, metadata);
      if (bundle && !this.seen.has(parent)) {
        this.recover(bundle);
      }
    }
  }

  /** With collaboration several pages may have missed it: one after the other looks whether it is there already. */
  private recover(bundle: Bundle): void {
    const take = (): void => {
      if (!replaced(this.link.panel, bundle)) {
        this.lost.set(bundle.id, bundle); // its cell is known when the kernel has told its turns
      }
    };
    if (this.link.panel.content.model?.collaborative) {
      setTimeout(take, 200 + 2000 * Math.random());
    } else {
      take();
    }
  }

  /** The same: first whoever runs its cell may put it in, however far behind that page is, then those that missed it. */
  private fetch(answer: string): void {
    const { panel } = this.link;
    if (panel.content.model?.collaborative) {
      const wait = (this.met.has(answer) ? 15_000 : 200) + 2000 * Math.random();
      setTimeout(() => !panel.isDisposed && !bundleIn(panel, answer) && this.link.send('answer', { id: answer }), wait);
    } else {
      this.link.send('answer', { id: answer });
    }
  }

  private settle(): void {
    const { panel, state } = this.link;
    const unfinished = state?.turns.length ? unfinishedIn(panel) : new Set<string>();
    for (const { answer, age } of state?.turns ?? []) {
      const missed = age !== null && 1000 * age < performance.now() && !this.met.has(answer); // ended while this page was loading
      if ((missed || unfinished.has(answer)) && !this.asked.has(answer)) {
        this.asked.add(answer);
        this.fetch(answer);
      }
    }
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

/** The answers that are in outputs of a notebook, arriving or finished. */
export function answersIn(panel: NotebookPanel): Set<string> {
  const ids = new Set<string>();
  for (const { outputs } of codeCells(panel)) {
    for (let i = 0; i < outputs.length; i++) {
      ids.add(idOf(outputs.get(i)));
    }
  }
  return ids;
}

/** A finished answer as it appears in an output; null if none does. */
export function bundleIn(panel: NotebookPanel, id: string): Bundle | null {
  for (const { outputs } of codeCells(panel)) {
    for (let i = 0; i < outputs.length; i++) {
      const { data, metadata } = outputs.get(i);
      if (MIME in data && !isUnfinished(metadata) && idOf({ data, metadata }) === id) {
        return bundleOf(data, metadata);
      }
    }
  }
  return null;
}

/** The answers that were arriving when they were written, and arrive in this page no more. */
function unfinishedIn(panel: NotebookPanel): Set<string> {
  const ids = new Set<string>();
  for (const { outputs } of codeCells(panel)) {
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs.get(i);
      const id = idOf(output);
      if (id && (isUnfinished(output.metadata) || !(MIME in output.data)) && !page().live.has(id)) {
        ids.add(id);
      }
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

function codeCells(panel: NotebookPanel): ICodeCellModel[] {
  return panel.content.widgets.map(({ model }) => model).filter(isCodeCellModel);
}

function writable(panel: NotebookPanel): boolean {
  return panel.content.model?.readOnly === false;
}
