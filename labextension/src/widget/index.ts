/**
 * The widget's side of a page: built into `claude_jupyter/display/static/widget.js`, which crosses once per kernel and page.
 * Uses nothing of JupyterLab, so that it also runs in VS Code and Colab.
 */

import css from '../../style/answer.css';
import { mount as mountWith, type Model, type Mount, type Mounted } from '../answer/mount';
import { services } from './services';

export function mount(where: Mount): Mounted {
  style(where.el);
  return mountWith(where, services);
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
        if (view.dispose()) {
          views.delete(view);
        }
      };
    }
  };
};
