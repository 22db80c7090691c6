/**
 * The link between a page and a notebook's kernel: a comm `claude_jupyter` that the page opens, asks on, and sends commands on.
 * The kernel only ever answers on it (from the handler), so that it is heard while a cell runs, where subshells allow.
 *
 * page → kernel  {"op": "hello", "formulas", "cells", "settings"} first, {"op": "state", "settings"?} later, {"op": "answer" | "read", "id"},
 *                {"op": "sent", "ask", "id", "place"}, commands of the panel;
 *                {"op": "placed", "work", "step", "cell"}, {"op": "work", "work", "action"}, {"op": "removed", "cells"} for Claude's works
 *                {"op": "change", "id", "cell", "source", "wish"}, {"op": "change_stop", "id"} to change a cell
 * kernel → page  {"op": "change", "id", "source", "done"} or with "error"; {"op": "state", ...State}; {"op": "answer" | "read", "id", "data", "metadata"};
 *                {"op": "sent", "ask", "text", "image"}; {"op": "error", "text"}
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { links } from './kernels';
import { OURS, tellLayout } from './layout';
import { kernelSettings } from './settings';
import { readBundle, readChange, readError, readSent, readState, type Bundle, type Change, type Sent, type State } from './state';

const TARGET = 'claude_jupyter';
const AGENT = 'claude-jupyter mcp'; // who asks, in the headers of `claude-jupyter mcp`
const SOON = 250; // ms after the kernel is free: one question for many cells

export class KernelLink implements IDisposable {
  private comm: Kernel.IComm | null = null;
  private kernel: Kernel.IKernelConnection | null = null;
  private relevant = true;
  private readonly running = new Set<string>(); // executions that may change something
  private timer: ReturnType<typeof setTimeout> | null = null;
  private lastRequest = 0;
  private lastState: State | null = null;
  private objection = '';
  private began: 'unseen' | 'seen' | 'restarted' = 'unseen';
  private readonly readers = new Map<string, (bundle: Bundle) => void>();
  private readonly senders = new Map<number, (sent: Sent) => void>();
  private readonly bundles = new Signal<this, Bundle>(this);
  private readonly news = new Signal<this, void>(this);
  private readonly sources = new Signal<this, Change>(this);
  isDisposed = false;

  constructor(readonly panel: NotebookPanel) {
    panel.sessionContext.kernelChanged.connect(this.follow, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
    panel.sessionContext.iopubMessage.connect(this.onMessage, this);
    panel.disposed.connect(() => this.dispose());
    links.set(panel, this);
    this.follow();
  }

  /** What the kernel said last; null where it has not loaded `claude_jupyter`, or speaks another language. */
  get state(): State | null {
    return this.lastState;
  }

  get changed(): ISignal<this, void> {
    return this.news;
  }

  /** Why the kernel did not do the last command; '' where it did. */
  get problem(): string {
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

  /** New sources of cells as they arrive, asked for by `send('change', …)`. */
  get changing(): ISignal<this, Change> {
    return this.sources;
  }

  /** Ask for a command of the panel (`undo`, `fork` …); the kernel answers with the new state. */
  send(op: string, more: JSONObject = {}): void {
    this.objection = '';
    this.comm?.send({ op, ...more });
  }

  /** An answer of the conversation, to be read next to the notebook. */
  read(id: string): Promise<Bundle> {
    return new Promise(resolve => {
      this.readers.set(id, resolve);
      this.send('read', { id });
    });
  }

  /** What an attachment of an answer carried, by its place among them. */
  sent(id: string, place: number): Promise<Sent> {
    if (!this.comm || !this.lastState) {
      return Promise.resolve({ text: 'Run %load_ext claude_jupyter to see what was sent by this kernel.', image: '' });
    }
    return new Promise(resolve => {
      const ask = ++this.lastRequest;
      this.senders.set(ask, resolve);
      this.send('sent', { ask, id, place });
    });
  }

  /** Ask how things stand: something ran that this page was not told of. */
  look(): void {
    this.relevant = true;
    this.soon();
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
      if (kernel) {
        tellLayout(kernel, this.panel);
      }
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
    if (this.lastState) {
      this.lastState = null;
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
    } else if (message.header.msg_type === 'status' && (this.running.has(parent) || this.isAgents(message))) {
      if ((message as KernelMessage.IStatusMsg).content.execution_state === 'idle') {
        // A comm's messages make the kernel idle in the middle of a cell, too; what counts is how things stand after it.
        this.running.delete(parent);
        this.relevant = true;
        this.soon();
      }
    }
  }

  /** Whether the kernel did this for a coding agent, which may have proposed a cell. */
  private isAgents({ parent_header: parent }: KernelMessage.IMessage): boolean {
    return this.comm !== null && 'username' in parent && parent.username === AGENT;
  }

  private soon(): void {
    if (this.relevant && this.timer === null) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.ask();
      }, this.lastState?.works.waiting.length ? 0 : SOON);
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
    comm.open({ op: 'hello', formulas: true, cells: true, ...kernelSettings() });
  }

  private heard(comm: Kernel.IComm, data: unknown): void {
    if (comm !== this.comm) {
      return;
    }
    const change = readChange(data);
    if (change) {
      this.sources.emit(change);
      return;
    }
    const sent = readSent(data);
    if (sent) {
      this.senders.get(sent.ask)?.(sent);
      this.senders.delete(sent.ask);
      return;
    }
    const reading = readBundle(data, 'read');
    if (reading) {
      this.readers.get(reading.id)?.(reading);
      this.readers.delete(reading.id);
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
      this.lastState = state ?? this.lastState;
      this.objection = text || this.objection;
      this.news.emit();
    }
  }
}
