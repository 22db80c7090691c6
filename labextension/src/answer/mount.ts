/** Draws the answer of a widget model: what the widget's stub calls, be it the widget's own code or the extension's. */

import { page, type Live } from '../page';
import { readAnswer, readOps } from '../protocol';
import type { Services, Stop } from './services';
import { AnswerView } from './view';

export interface Model {
  get(name: string): unknown;
  send(content: unknown): void;
  on(name: string, callback: (content: unknown) => void): void;
  /** Not in every host. */
  widget_manager?: { kernel?: { interrupt?(): Promise<void> } | null };
}

export interface Mounted {
  push(message: unknown): void;
  /** The widget's view is gone. True if that was all: false where an output continues showing the answer, and wants its messages. */
  dispose(): boolean;
  /** The kernel closed the widget, or is gone. */
  closed(): void;
}

export interface Mount {
  model: Model;
  el: HTMLElement;
  /** Messages that came before the view was there. */
  log: unknown[];
}

export function mount({ model, el, log }: Mount, services: Services): Mounted {
  const answer = readAnswer(model.get('answer'));
  if (!answer) {
    return { push: () => undefined, dispose: () => true, closed: () => undefined };
  }
  const node = document.createElement('div');
  el.append(node);
  const view = new AnswerView(node, services);
  const live: Live = { view, answer, adopted: false, ended: false };
  const shared = page();
  const { live: all } = shared;
  all.set(answer.id, live);
  view.begin(answer, stopOf(model));
  log.forEach(message => view.apply(readOps(message)));
  shared.began?.(live);
  const forget = (): void => {
    if (!live.adopted) {
      live.ended = true;
      view.dispose();
      if (all.get(answer.id) === live) {
        all.delete(answer.id);
      }
    }
  };
  return {
    push: message => view.apply(readOps(message)),
    dispose: () => {
      // Later: the output that takes the view over may be made in the same breath in which this one goes.
      setTimeout(forget);
      return live.ended;
    },
    closed: () => {
      if (!live.ended) {
        shared.closed?.(live);
      }
    }
  };
}

/** Stop is an interrupt where the page reaches the kernel and the answer runs in a cell; else a message. */
function stopOf(model: Model): Stop | null {
  const stop = model.get('stop') as { by?: string; hint?: string } | null;
  if (!stop?.by) {
    return null;
  }
  const kernel = stop.by === 'interrupt' ? model.widget_manager?.kernel : null;
  const interrupt = kernel?.interrupt?.bind(kernel);
  if (interrupt) {
    return { hint: 'Interrupt the kernel; what has arrived is kept', run: () => void interrupt() };
  }
  // A message is heard by a kernel that is free, or that listens while it works; else the hint helps.
  return { hint: stop.hint ?? '', run: () => model.send({ op: 'stop' }) };
}
