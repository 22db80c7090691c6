/** The bar above a waiting cell with its buttons, the hint below it, and the line that undoes the work. */

import { Widget } from '@lumino/widgets';
import { button, el } from '../answer/dom';
import { effectsIn, undoLine, type Step, type Undo } from './works';

export interface Actions {
  run(): void;
  keepGoing(): void;
  skip(): void;
  stop(): void;
}

const ACTIONS: readonly [keyof Actions, string, string][] = [
  ['run', 'Run ⇧⏎', 'Run this cell; Claude is told the outcome'],
  ['keepGoing', 'Keep going', 'Run this cell and the next ones that only read and add; any other waits for you'],
  ['skip', 'Skip', 'Do not run it: Claude continues without it'],
  ['stop', 'Stop', 'End the work; what was done is kept']
];

const FOR_AGENT: readonly [keyof Actions, string, string][] = [
  ['run', 'Run ⇧⏎', 'Run this cell; the agent is told the outcome'],
  ['skip', 'Skip', 'Remove this cell; the agent is told that it did not run']
];

/** `Claude proposes · reads summer · adds wet · writes wet_days.csv`, and what to do with it. */
export class ProposalBar extends Widget {
  constructor(step: Step, actions: Actions) {
    super();
    this.addClass('cj-proposal');
    this.node.setAttribute('role', 'group');
    const what = step.agent ? 'Your coding agent proposes' : step.replaces ? 'Claude proposes a correction' : 'Claude proposes';
    this.node.setAttribute('aria-label', `${what}: ${step.title}. ${step.line}`);
    const effects = effectsIn(step.line).map(({ text, strong }) => el('span', strong ? 'cj-effect cj-strong' : 'cj-effect', `· ${text}`));
    const buttons = (step.agent ? FOR_AGENT : ACTIONS).map(([name, label, hint], i) => {
      const node = button(i ? 'cj-action' : 'cj-action cj-primary', label, () => actions[name]());
      node.title = hint;
      if (name === 'run') {
        node.setAttribute('aria-label', 'Run');
        node.setAttribute('aria-keyshortcuts', 'Shift+Enter');
      }
      return node;
    });
    this.node.append(el('div', 'cj-effects', el('b', '', what), ...effects), el('div', 'cj-buttons', ...buttons));
  }
}

export class Hint extends Widget {
  constructor({ agent }: Step) {
    super();
    this.addClass('cj-proposal-hint');
    this.node.append(...(agent ? ['Edit it before you run it.'] : ['Edit it before you run it, or answer it: ', el('code', '', '%claude no, use the median')]));
  }
}

/** `Undo Claude's work · undoes summer, by_year and 2 cells · cannot undo: wet_days.csv` */
export class UndoBar extends Widget {
  constructor(
    readonly undo: Undo,
    act: () => void
  ) {
    super();
    this.addClass('cj-undo-work');
    const node = button('cj-undo', "Undo Claude's work", act);
    node.title = 'Same as claude.undo(): restores the variables and removes the cells of this work';
    this.node.append(node, el('span', '', ` · ${undoLine(undo)}`));
  }
}
