/** What the widget and the extension share on one page. Both may be there, either alone, or neither. */

import type { AnswerView } from './answer/view';
import type { Answer } from './protocol';

export interface Page {
  /** Answers that are drawn live, by id: the saved output takes over their very elements when an answer ends. */
  live: Map<string, Live>;
  /** Sets TeX into a node, once its code has come (`widget/tex.ts`). */
  tex?: (source: string, display: boolean, node: HTMLElement) => void;
  /** Called when `tex` is there. */
  waiting: (() => void)[];
  /** Ids of the cells that came about by merging others, whose turns they take over (extension only). */
  merged?: Set<string>;
  /** Told when an answer begins, and when its widget is closed (extension only). */
  began?: (live: Live) => void;
  closed?: (live: Live) => void;
}

export interface Live {
  view: Pick<AnswerView, 'node' | 'cost' | 'size' | 'texts' | 'changes' | 'arrived' | 'finish' | 'dispose'>;
  answer: Answer;
  /** The live view is in the output that is saved, and no longer in the widget's. */
  adopted: boolean;
  /** Nothing more will arrive. */
  ended: boolean;
}

const PAGE = Symbol.for('claude-jupyter.page.1');
const CODE = Symbol.for('claude-jupyter.code.1');

const holder = globalThis as unknown as Record<symbol, unknown>;

/** The one object of this page, whoever comes first. */
export function page(): Page {
  return (holder[PAGE] ??= { live: new Map(), waiting: [] }) as Page;
}

/** Lend a view to the widgets of this page (see `widget/stub.js`): the extension's draws with JupyterLab's own services. */
export function lend(mount: unknown): void {
  ((holder[CODE] ??= {}) as { mount?: unknown }).mount = mount;
}
