/** The services of the view of answers, from JupyterLab's own parts. */

import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { NotebookActions, type INotebookTracker } from '@jupyterlab/notebook';
import { renderMarkdown, type IRenderMime, type IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Services } from '../answer/services';
import { putBelow } from '../cells/ask';
import { resume } from '../cells/pointing';
import { isLoaded, links } from '../kernels';
import { markMathematics, unmarkDollars } from './mathematics';
import { inertMarkdown, inertImages } from './inert';

export function labServices(
  rendermime: IRenderMimeRegistry,
  languages: IEditorLanguageRegistry | null,
  tracker: INotebookTracker | null
): Services {
  const sanitizer: IRenderMime.ISanitizer = {
    sanitize: (dirty, options) => inertImages(rendermime.sanitizer.sanitize(dirty, options))
  };
  const services: Services = {
    async render(markdown, node) {
      await renderMarkdown({
        host: node,
        source: inertMarkdown(markMathematics(markdown)),
        trusted: false,
        sanitizer,
        resolver: null,
        linkHandler: null,
        shouldTypeset: false,
        latexTypesetter: null,
        markdownParser: rendermime.markdownParser
      });
      unmarkDollars(node);
      for (const link of node.querySelectorAll('a')) {
        link.target = '_blank';
        link.rel = 'noopener noreferrer';
      }
    },
    typeset: node => rendermime.latexTypesetter?.typeset(node) as void | Promise<void>, // JupyterLab's own returns a promise
    draws: language => language === 'mermaid',
    copy: text => navigator.clipboard.writeText(text)
  };
  if (languages) {
    services.highlight = async (code, language, node) => {
      const spec = languages.findBest(language) ?? languages.findByName(language);
      if (!spec) {
        return false;
      }
      await languages.highlight(code, spec, node);
      return true;
    };
  }
  if (tracker) {
    services.insertBelow = (code, node) => insertBelow(tracker, code, node);
    services.sent = async ({ id }, place, node) => {
      const panel = tracker.find(candidate => candidate.node.contains(node)) ?? tracker.currentWidget;
      const link = panel && links.get(panel);
      return link ? link.sent(id, place) : { text: 'No kernel to ask.', image: '' };
    };
    services.follow = (advice, { chat }, node) => {
      const panel = tracker.find(candidate => candidate.node.contains(node));
      const index = panel?.content.widgets.findIndex(cell => cell.node.contains(node)) ?? -1;
      if (panel && index >= 0 && advice === 'resume') {
        putBelow(panel, index, resume(chat, isLoaded(panel)));
      } else if (panel && advice === 'restore') {
        links.get(panel)?.send('restore');
      }
    };
  }
  return services;
}

/** A new code cell below the one whose output holds `node`; never run. */
export function insertBelow(tracker: INotebookTracker, code: string, node: HTMLElement): void {
  const panel = tracker.find(candidate => candidate.node.contains(node));
  const index = panel?.content.widgets.findIndex(cell => cell.node.contains(node)) ?? -1;
  if (!panel || index < 0 || panel.content.model?.readOnly) {
    return;
  }
  panel.content.activeCellIndex = index;
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(code);
}
