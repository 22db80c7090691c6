/** The side panel: what was asked and what it cost, with a jump to each cell, and what can be done with the conversation. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { button, el } from '../answer/dom';
import { count, dollars, modelLine, rowPrice, unbilled } from '../format';
import type { KernelLink } from '../kernel';
import { drawing } from '../lab/host';
import { answersIn, bundleIn } from '../lab/recover';
import type { Links } from '../links';
import type { State, TurnSummary } from '../state';

const BARS = 40; // newest turns in the chart

export class ClaudePanel extends Widget {
  /** Answers that are open to be read, by id, and what is drawn of them. */
  private readonly read = new Map<string, HTMLElement>();

  constructor(private readonly links: Links) {
    super();
    this.addClass('cj-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Claude: transcript and costs');
    links.changed.connect(this.draw, this);
    this.draw();
  }

  private draw(): void {
    const link = this.links.current;
    const state = link?.state;
    if (!link || !state) {
      const hint = el('p', 'cj-hint', 'Run ', el('code', '', '%load_ext claude_jupyter'), ' in a notebook to see its questions and costs here.');
      this.node.replaceChildren(hint);
      return;
    }
    const scroll = this.node.scrollTop;
    const message = link.problem ? [el('p', 'cj-said', link.problem)] : state.note ? [el('p', 'cj-note', state.note)] : [];
    message.forEach(line => line.setAttribute('role', link.problem ? 'alert' : 'status'));
    this.node.replaceChildren(
      header(state), models(link, state), chart(state), this.actions(link, state), ...message, ...this.chats(link, state), ...this.restoring(link, state), this.rows(link, state)
    );
    this.node.scrollTop = scroll;
  }

  private actions(link: KernelLink, state: State): HTMLElement {
    const node = el('div', 'cj-actions');
    const none = state.turns.length === 0;
    const add = (label: string, hint: string, op: string, disabled = none): void => {
      const item = button('cj-action', label, () => link.send(op, { chat: state.chat }));
      item.title = hint;
      item.disabled = disabled;
      node.append(item);
    };
    add('New', 'Start over with the next question: earlier turns stay here but are no longer sent', 'new');
    add('Undo', 'Undo the last change: an answer, or hiding a turn', 'undo');
    add('Fork', 'Copy this conversation, so that you can continue in either one', 'fork');
    add('Export', 'Save the transcript as Markdown next to the notebook', 'export');
    node.firstElementChild?.setAttribute('aria-pressed', String(state.afresh));
    return node;
  }

  /** Which chat is shown, if there are several, and how to ask in it. */
  private chats(link: KernelLink, state: State): HTMLElement[] {
    if (state.chats.length < 2) {
      return [];
    }
    const choice = el('select', 'cj-choice');
    choice.setAttribute('aria-label', 'Chat shown');
    choice.append(...state.chats.map(name => new Option(name, name, false, name === state.chat)));
    choice.addEventListener('change', () => link.send('chat', { name: choice.value }));
    const name = /^[\w.-]+$/.test(state.chat) ? state.chat : `"${state.chat}"`;
    const how = el('span', '', 'ask in it with ', el('code', '', state.chat === 'main' ? '%%claude' : `%%claude -c ${name}`));
    return [el('div', 'cj-row cj-chats', choice, how)];
  }

  /** After a restart: the notebook shows answers of which the kernel knows nothing. */
  private restoring(link: KernelLink, state: State): HTMLElement[] {
    if (state.turns.length || !answersIn(link.panel).size) {
      return [];
    }
    const restore = button('cj-action', 'Restore', () => link.send('restore'));
    restore.title = 'Restore them from the notebook and the journal';
    return [el('p', 'cj-note', 'The answers of this notebook are not in the conversation. ', restore)];
  }

  private rows(link: KernelLink, state: State): HTMLElement {
    const list = el('ol', 'cj-turns');
    list.setAttribute('aria-label', `Questions in ${state.chat}`);
    const cells = link.panel.content.widgets;
    const onPage = answersIn(link.panel);
    if (state.afresh && state.turns.length) {
      list.append(divider('The next question starts over'));
    }
    for (const [i, turn] of [...state.turns.entries()].reverse()) {
      const cell = cells.find(candidate => candidate.model.id === turn.cell);
      list.append(this.row(link, turn, cell ? cells.indexOf(cell) : -1, onPage));
      if (turn.starts && i > 0) {
        list.append(divider('Started over: what is below is no longer sent'));
      }
    }
    for (const other of state.others) {
      const requests = `${count(other.calls)} ${other.calls === 1 ? 'request' : 'requests'} · ${count(other.tokens)} tokens`;
      const price = el('span', 'cj-c', rowPrice(other).replace(/ /g, '\u00a0'));
      const line = el('div', 'cj-turn', el('span', 'cj-n', '+'), el('span', 'cj-q', other.label), price, el('small', '', requests));
      list.append(el('li', 'cj-other', line));
    }
    return list;
  }

  /** Its answer, to be read here: folded until it is asked for. */
  private answer(link: KernelLink, id: string): HTMLElement {
    const cached = this.read.get(id);
    const fold = el('details', 'cj-read', el('summary', '', 'Answer'), ...(cached ? [cached] : []));
    fold.open = cached !== undefined;
    fold.addEventListener('toggle', () => {
      if (!fold.open) {
        this.read.delete(id);
        fold.lastElementChild?.tagName !== 'SUMMARY' && fold.lastElementChild?.remove();
      } else if (!this.read.has(id)) {
        const node = el('div', 'cj-reading');
        this.read.set(id, node);
        fold.append(node);
        void show(link, id, node);
      }
    });
    return fold;
  }

  private row(link: KernelLink, turn: TurnSummary, index: number, onPage: Set<string>): HTMLElement {
    const cell = link.panel.content.widgets[index];
    const number = cell?.model.type === 'code' ? ((cell.model.toJSON().execution_count as number | null) ?? ' ') : '–';
    const jump = button('cj-turn', '', () => {
      if (index >= 0) {
        link.panel.content.activeCellIndex = index;
        void link.panel.content.scrollToItem(index, 'center');
      }
    });
    jump.append(
      el('span', 'cj-n', `[${number}]`),
      el('span', 'cj-q', turn.prompt),
      el('span', 'cj-c', rowPrice(turn).replace(/ /g, '\u00a0')),
      el('small', '', turn.facts)
    );
    jump.disabled = index < 0;
    jump.title = `${turn.question}\n\n${index < 0 ? 'Its cell is not in this notebook' : 'Click to go to the cell'}`;
    const hide = button('cj-hide', turn.hidden ? 'Show' : 'Hide', () => link.send('hide', { turn: turn.turn }));
    hide.title = turn.hidden ? 'Send this turn again' : 'Keep this turn here, but do not send it';
    const row = el('li', turn.hidden ? 'cj-hidden' : '', jump, hide, ...(turn.answer ? [this.answer(link, turn.answer)] : []));
    if (cell?.model.type === 'code' && turn.answer && !onPage.has(turn.answer)) {
      const back = button('cj-back', 'Put back into its cell', () => link.send('answer', { id: turn.answer }));
      back.title = 'Its answer is missing from the notebook (for example, after a page reload): show it in its cell again';
      row.append(back);
    }
    row.classList.toggle('cj-now', cell !== undefined && cell === link.panel.content.activeCell);
    return row;
  }
}

/** As in its cell, if it is there; else as the kernel has it. */
async function show(link: KernelLink, id: string, node: HTMLElement): Promise<void> {
  const [{ Drawing }, found] = await Promise.all([drawing(), bundleIn(link.panel, id) ?? link.read(id)]);
  const model = { data: found.data, metadata: found.metadata, trusted: true, setData: () => undefined };
  await new Drawing(node, null).draw(model as unknown as IRenderMime.IMimeModel);
}

const divider = (text: string): HTMLElement => el('li', 'cj-divider', text);

function header(state: State): HTMLElement {
  const sum = state.notebook ?? state.kernel;
  const facts = [state.turns.length === 1 ? '1 question' : `${count(state.turns.length)} questions`];
  if (state.cached > 0) {
    facts.push(`${Math.round(100 * state.cached)} % from cache`);
  }
  facts.push(...[unbilled(sum)].filter(Boolean));
  return el('div', 'cj-head', el('b', '', dollars(sum.cost, sum.estimated)), el('span', '', facts.join(' · ')));
}

/** Which model answers the next questions of this chat. */
function models(link: KernelLink, state: State): HTMLElement {
  const choice = el('select', 'cj-choice cj-models');
  choice.setAttribute('aria-label', 'Model for the next questions');
  choice.title = 'List prices in USD per million tokens';
  choice.append(...state.models.map(model => new Option(modelLine(model), model.id, false, model.id === state.model)));
  choice.addEventListener('change', () => link.send('model', { name: choice.value }));
  return el('div', 'cj-row', choice);
}

function chart(state: State): HTMLElement {
  const turns = state.turns.slice(-BARS);
  const total = ({ parts }: TurnSummary): number => parts.output + parts.input + parts.cache;
  const most = Math.max(...turns.map(total), 1e-9);
  const bars = el('div', 'cj-bars');
  bars.setAttribute('role', 'img');
  bars.setAttribute('aria-label', 'Price of each question, oldest first');
  for (const turn of turns) {
    const bar = el('div');
    bar.title = `${turn.prompt}\n${dollars(turn.cost)}`;
    for (const name of ['output', 'input', 'cache'] as const) {
      const part = el('i', `cj-${name}`);
      part.style.height = `${(48 * turn.parts[name]) / most}px`;
      bar.append(part);
    }
    bars.append(bar);
  }
  const key = el('div', 'cj-key', ...['output', 'input', 'cache'].map(name => el('span', '', el('i', `cj-${name}`), name)));
  return el('div', turns.length > 1 ? 'cj-chart' : 'cj-chart cj-none', bars, key);
}
