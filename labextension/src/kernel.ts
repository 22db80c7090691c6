/**
 * The link of a page with a notebook's kernel: a comm `claude_jupyter` that the page opens, asks on, and sends commands on.
 * The kernel only ever answers on it (from the handler), so that it is heard while a cell runs, where subshells allow.
 *
 * page → kernel  {"op": "hello", "protocol": 1, "path"} first, {"op": "state"} later, and commands of the panel
 * kernel → page  {"op": "state", ...State}; {"op": "error", "text"}
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { readState, type State } from './state';

const TARGET = 'claude_jupyter';
const SOON = 250; // ms after the kernel is free: one question for many cells
/** Executions that may have changed something, or loaded the extension in the kernel. */
const OURS = /claude/i;

export class KernelLink implements IDisposable {
  private comm: Kernel.IComm | null = null;
  private kernel: Kernel.IKernelConnection | null = null;
  private relevant = true;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private told: State | null = null;
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

  /** Ask for a command of the panel (`undo`, `fork` …); the kernel answers with the new state. */
  send(op: string, more: Record<string, string | number> = {}): void {
    this.comm?.send({ op, ...more });
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
      this.forget();
      this.relevant = true;
      this.soon();
    }
  }

  private forget(): void {
    this.comm = null;
    if (this.told) {
      this.told = null;
      this.news.emit();
    }
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.forget();
      this.relevant = true;
    } else if (status === 'idle') {
      this.soon();
    }
  }

  private onMessage(_: unknown, message: KernelMessage.IMessage): void {
    if (message.header.msg_type === 'execute_input') {
      const { code } = (message as KernelMessage.IExecuteInputMsg).content;
      this.relevant ||= this.comm !== null || OURS.test(code);
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
    comm.open({ op: 'hello', protocol: 1, path: this.panel.context.path });
  }

  private heard(comm: Kernel.IComm, data: unknown): void {
    const state = comm === this.comm ? readState(data) : null;
    if (state) {
      this.told = state;
      this.news.emit();
    }
  }
}
