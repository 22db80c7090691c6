/** What the widget and the extension share on one page. Both may be there, either alone, or neither. */

import type { Answer } from './protocol';
import type { Services } from './answer/services';
import type { AnswerView } from './answer/view';

export interface Page {
  /** Answers that are drawn live, by id: the saved output takes over their very elements when an answer ends. */
  live: Map<string, Live>;
  /** JupyterLab's own services, where the extension is there to lend them. */
  services?: Services;
}

export interface Live {
  view: Pick<AnswerView, 'node' | 'texts' | 'finish' | 'dispose'>;
  answer: Answer;
  /** The live view stands in the saved output now, and is disposed of with that. */
  adopted: boolean;
}

const KEY = Symbol.for('claude-jupyter.page.1');

/** The one object of this page, whoever comes first. */
export function page(): Page {
  const holder = globalThis as unknown as Record<symbol, Page | undefined>;
  return (holder[KEY] ??= { live: new Map() });
}
