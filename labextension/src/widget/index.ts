/**
 * The widget's side of a page: built into `claude_jupyter/display/static/widget.js`, which crosses once per kernel and page.
 * Uses nothing of JupyterLab, so that it also runs in VS Code and Colab.
 */

import css from '../../style/answer.css';
import type { Stop } from '../answer/services';
import { AnswerView } from '../answer/view';
import { page } from '../page';
import { readAnswer, readOps } from '../protocol';
import { services } from './services';

interface Model {
  get(name: string): unknown;
  send(content: unknown): void;
  on(name: string, callback: (content: unknown) => void): void;
  /** Not in every host. */
  widget_manager?: { kernel?: { interrupt?(): Promise<void> } | null };
}

interface Mounted {
  push(message: unknown): void;
  dispose(): void;
}

/** Draw the answer of a model into `el`: what has come already (`log`), and what is pushed later. */
export function mount({ model, el, log }: { model: Model; el: HTMLElement; log: unknown[] }): Mounted {
  style(el);
  const shared = page();
  const node = document.createElement('div');
  el.append(node);
  const view = new AnswerView(node, shared.services ?? services);
  const answer = readAnswer(model.get('answer'));
  if (!answer) {
    return { push: () => undefined, dispose: () => undefined };
  }
  const live = { view, answer, adopted: false };
  shared.live.set(answer.id, live);
  view.begin(answer, stopOf(model));
  log.forEach(message => view.apply(readOps(message)));
  return {
    push: message => view.apply(readOps(message)),
    dispose: () => {
      if (shared.live.get(answer.id) === live) {
        shared.live.delete(answer.id);
      }
      if (!live.adopted) {
        view.dispose();
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
  return {
    hint: stop.hint ?? '',
    run: () => {
      const kernel = stop.by === 'interrupt' ? model.widget_manager?.kernel : null;
      if (kernel?.interrupt) {
        void kernel.interrupt();
      } else {
        model.send({ op: 'stop' });
      }
    }
  };
}

function style(el: HTMLElement): void {
  const root = el.getRootNode();
  const target = root instanceof ShadowRoot ? root : document.head;
  if (!target.querySelector('#claude-jupyter-answer')) {
    const sheet = document.createElement('style');
    sheet.id = 'claude-jupyter-answer';
    sheet.textContent = css;
    target.append(sheet);
  }
}

/** The whole widget in one module, for hosts where models cannot share code. */
export default (): object => {
  const log: unknown[] = [];
  const views = new Set<Mounted>();
  return {
    initialize({ model }: { model: Model }): void {
      model.on('msg:custom', message => {
        log.push(message);
        views.forEach(view => view.push(message));
      });
    },
    render({ model, el }: { model: Model; el: HTMLElement }): () => void {
      const view = mount({ model, el, log });
      views.add(view);
      return () => {
        views.delete(view);
        view.dispose();
      };
    }
  };
};
