/**
 * The link of a page with a notebook's kernel: a comm `claude_jupyter` that the page opens, asks on, and sends commands on.
 * The kernel only ever answers on it (from the handler), so that it is heard while a cell runs, where subshells allow.
 *
 * page → kernel  {"op": "hello", "protocol": 1, "path", "formulas"} first, {"op": "state"} later, {"op": "answer", "id"}, commands of the panel
 * kernel → page  {"op": "state", ...State}; {"op": "answer", "id", "data", "metadata"}; {"op": "error", "text"}
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { readBundle, readError, readState, type Bundle, type State } from './state';

const TARGET = 'claude_jupyter';
const SOON = 250; // ms after the kernel is free: one question for many cells
/** Executions that may have changed something, or loaded the extension in the kernel. */
const OURS = /claude/i;

export class KernelLink implements IDisposable {
  private comm: Kernel.IComm | null = null;
  private kernel: Kernel.IKernelConnection | null = null;
  private relevant = true;
  private readonly running = new Set<string>(); // executions that may change something
  private timer: ReturnType<typeof setTimeout> | null = null;
  private told: State | null = null;
  private objection = '';
  private began: 'unseen' | 'seen' | 'restarted' = 'unseen';
  private readonly bundles = new Signal<this, Bundle>(this);
  private readonly news = new Signal<this, void>(this);
  isDisposed = false;

  constructor(readonly panel: NotebookPanel) {
    panel.sessionContext.kernelChanged.connect(this.follow, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
    panel.sessionContext.iopubMessage.connect(this.onMessage, this);
    panel.disposed.connect(() => this.dispose());
    this.follow();
  }

  /** What the kernel said last; null where it has not loaded `claude_jupyter`, or speaks another language. */
  get state(): State | null {
    return this.told;
  }

  get changed(): ISignal<this, void> {
    return this.news;
  }

  /** Why the kernel did not do the last command; '' where it did. */
  get said(): string {
    return this.objection;
  }

  /** Whether all that this kernel ever ran was run before the eyes of this page. */
  get fromStart(): boolean {
    return this.began === 'seen';
  }

  /** Answers that were asked for by `send('answer', { id })`. */
  get answered(): ISignal<this, Bundle> {
    return this.bundles;
  }

  /** Ask for a command of the panel (`undo`, `fork` …); the kernel answers with the new state. */
  send(op: string, more: Record<string, string | number> = {}): void {
    this.objection = '';
    this.comm?.send({ op, ...more });
  }

  /** Something that is shown beside the state has changed. */
  refresh(): void {
    this.news.emit();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      clearTimeout(this.timer ?? undefined);
      Signal.clearData(this);
      this.comm?.dispose();
    }
  }

  private follow(): void {
    const kernel = this.panel.sessionContext.session?.kernel ?? null;
    if (kernel !== this.kernel) {
      this.kernel = kernel;
      this.running.clear();
      this.began = 'unseen';
      this.forget();
      this.relevant = true;
      this.soon();
    }
  }

  private forget(): void {
    this.comm = null;
    this.objection = '';
    if (this.told) {
      this.told = null;
      this.news.emit();
    }
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.forget();
      this.relevant = true;
      this.running.clear();
      this.began = 'restarted'; // its id stays, and with that what it has cost
    } else if (status === 'idle') {
      this.soon();
    }
  }

  private onMessage(_: unknown, message: KernelMessage.IMessage): void {
    const parent = 'msg_id' in message.parent_header ? message.parent_header.msg_id : '';
    if (message.header.msg_type === 'execute_input') {
      const { code, execution_count: count } = (message as KernelMessage.IExecuteInputMsg).content;
      if (count === 1 && this.began === 'unseen') {
        this.began = 'seen';
      }
      if (this.comm !== null || OURS.test(code)) {
        this.relevant = true;
        this.running.add(parent);
      }
    } else if (message.header.msg_type === 'status' && this.running.has(parent)) {
      if ((message as KernelMessage.IStatusMsg).content.execution_state === 'idle') {
        // A comm's messages make the kernel idle in the middle of a cell, too; what counts is how things stand after it.
        this.running.delete(parent);
        this.relevant = true;
        this.soon();
      }
    }
  }

  private soon(): void {
    if (this.relevant && this.timer === null) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.ask();
      }, SOON);
    }
  }

  private ask(): void {
    const { kernel } = this;
    if (this.isDisposed || !kernel || kernel.isDisposed || kernel.connectionStatus !== 'connected') {
      return;
    }
    this.relevant = false;
    if (this.comm && !this.comm.isDisposed) {
      this.comm.send({ op: 'state' });
      return;
    }
    const comm = kernel.createComm(TARGET);
    comm.onMsg = message => this.heard(comm, message.content.data);
    comm.onClose = () => {
      if (this.comm === comm) {
        this.forget(); // no such target: `%load_ext claude_jupyter` has not run
      }
    };
    this.comm = comm;
    comm.open({ op: 'hello', protocol: 1, path: this.panel.context.path, formulas: true });
  }

  private heard(comm: Kernel.IComm, data: unknown): void {
    if (comm !== this.comm) {
      return;
    }
    const bundle = readBundle(data);
    if (bundle) {
      this.bundles.emit(bundle);
      return;
    }
    const state = readState(data);
    const text = readError(data);
    if (state || text) {
      this.told = state ?? this.told;
      this.objection = text || this.objection;
      this.news.emit();
    }
  }
}
