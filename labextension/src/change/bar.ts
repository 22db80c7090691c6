/** The line above a cell: what should change, then the diff, accepted as a whole or in parts. The cell changes once, when it is accepted. */

import { isCodeCellModel, type Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { UUID } from '@lumino/coreutils';
import { Widget, type PanelLayout } from '@lumino/widgets';
import { button, el, setText } from '../answer/dom';
import { outputsOf } from '../cells/seen';
import type { KernelLink } from '../kernel';
import { languageOf } from '../lab/host';
import type { CellDiff } from './diff';

/** ms between looks at whether the kernel is free. */
const LOOK = 300;

const MAC = /Mac|iP/.test(navigator.platform);

export class ChangeBar extends Widget {
  private readonly line = el('input', 'cj-wish');
  private readonly status = el('span', 'cj-said');
  private readonly actions = el('span', 'cj-buttons');
  private readonly place = el('div', 'cj-diff');
  private readonly request = UUID.uuid4();
  private readonly before: string;
  private diff: CellDiff | null = null;
  private asked = false;
  /** All of it has arrived. */
  private ready = false;
  private loading = false;
  private timer: ReturnType<typeof setInterval> | undefined;
  private sure = false;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly cell: Cell,
    private readonly link: KernelLink | null
  ) {
    super();
    this.before = cell.model.sharedModel.getSource();
    this.addClass('cj-change');
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', 'Change this cell');
    this.node.dataset.lmSuppressShortcuts = 'true';
    this.status.setAttribute('role', 'status');
    this.line.placeholder = 'what should change, for example: use the median instead';
    this.line.setAttribute('aria-label', 'What should change in this cell');
    this.line.addEventListener('keydown', event => {
      if (event.key === 'Enter' && !event.isComposing) {
        event.preventDefault();
        this.ask();
      }
    });
    this.node.addEventListener('keydown', event => {
      event.stopPropagation();
      if (event.key === 'Escape' && !event.defaultPrevented) {
        this.leave();
      }
    });
    this.place.hidden = true;
    this.offer(['Ask ⏎', () => this.ask(), true], ['Cancel Esc', () => this.leave()]);
    this.node.append(el('div', 'cj-change-line', el('b', '', 'Change this cell:'), this.line, this.status, this.actions), this.place);
    (cell.layout as PanelLayout).insertWidget(0, this);
    link?.changing.connect(this.onNews, this);
    cell.disposed.connect(() => this.dispose());
  }

  begin(): void {
    this.line.focus();
  }

  /** Show a new source that is known already. */
  async propose(source: string): Promise<void> {
    this.asked = true;
    this.line.hidden = true;
    await this.showSource(source, true);
  }

  private offer(...items: [string, () => void, boolean?][]): void {
    this.actions.replaceChildren(...items.map(([label, act, primary]) => button(primary ? 'cj-action cj-primary' : 'cj-action', label, act)));
  }

  private ask(): void {
    const wish = this.line.value.trim();
    if (!wish || this.asked) {
      return;
    }
    this.asked = true;
    this.line.readOnly = true;
    this.offer(['Stop', () => this.leave()]);
    const send = (): void => {
      if (this.isBusy()) {
        setText(this.status, 'Waiting until the kernel is free …');
      } else if (!this.link?.state) {
        setText(this.status, 'Loading claude_jupyter …');
        void this.load();
      } else {
        clearInterval(this.timer);
        setText(this.status, 'Claude is writing …');
        this.link.send('change', { id: this.request, cell: this.cell.model.id, source: this.before, wish, failed: errorOf(this.cell) });
      }
    };
    this.timer = setInterval(send, LOOK);
    send();
  }

  /** A comm's messages make the kernel idle in the middle of a cell: the cells are asked, too. */
  private isBusy(): boolean {
    const running = this.panel.content.widgets.some(({ model }) => isCodeCellModel(model) && model.executionState === 'running');
    return running || this.panel.sessionContext.session?.kernel?.status !== 'idle';
  }

  /** In a notebook that never heard of us. */
  private async load(): Promise<void> {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (this.loading || !kernel) {
      return;
    }
    this.loading = true;
    const code = "get_ipython().extension_manager.load_extension('claude_jupyter')";
    const { content } = await kernel.requestExecute({ code, silent: true, store_history: false, allow_stdin: false, stop_on_error: false }).done;
    if (content.status === 'ok') {
      this.link?.look();
    } else if (!this.isDisposed) {
      this.fail('claude_jupyter is not installed in this kernel: run %pip install claude-jupyter, then ask again.');
    }
  }

  private onNews(_: unknown, news: { id: string; source: string; done: boolean; error: string }): void {
    if (news.id !== this.request || this.isDisposed) {
      return;
    }
    if (news.error) {
      this.fail(news.error);
    } else {
      void this.showSource(news.source, news.done);
    }
  }

  private fail(why: string): void {
    clearInterval(this.timer);
    this.asked = this.loading = false;
    this.line.readOnly = false;
    setText(this.status, why);
    this.offer(['Ask ⏎', () => this.ask(), true], ['Cancel Esc', () => this.leave()]);
    this.place.hidden = true;
    this.cell.removeClass('cj-Changing');
  }

  private async showSource(source: string, done: boolean): Promise<void> {
    const [{ CellDiff }, language] = await Promise.all([import('./diff'), languageOf(this.cell.model.mimeType)]);
    if (this.isDisposed) {
      return;
    }
    this.place.hidden = false;
    this.cell.addClass('cj-Changing');
    this.diff ??= new CellDiff(this.place, this.before, language ?? [], {
      accept: () => this.ready && this.accept(),
      reject: () => this.leave(),
      changed: () => this.count()
    });
    this.diff.arrive(source, done);
    if (done) {
      this.ready = true;
      this.offer([MAC ? 'Accept ⌘⏎' : 'Accept Ctrl+⏎', () => this.accept(), true], ['Reject Esc', () => this.leave()]);
      this.actions.title = 'Alt+↓ and Alt+↑ move between changes, Alt+Enter accepts one, Alt+Backspace rejects it';
      this.count();
    }
  }

  private count(): void {
    const open = this.diff?.open ?? 0;
    if (this.ready) {
      setText(this.status, this.diff?.source === this.before ? 'Nothing would change.' : `${open} ${open === 1 ? 'change' : 'changes'} to review`);
    }
  }

  private accept(): void {
    const { sharedModel } = this.cell.model;
    if (sharedModel.getSource() !== this.before && !this.sure) {
      this.sure = true;
      setText(this.status, 'The cell has been edited since; accept again to replace it.');
      return;
    }
    if (this.diff) {
      sharedModel.setSource(this.diff.source);
    }
    this.leave();
  }

  private leave(): void {
    if (this.asked && !this.ready) {
      this.link?.send('change_stop', { id: this.request });
    }
    const { content } = this.panel;
    const index = content.widgets.indexOf(this.cell);
    this.dispose();
    if (index >= 0) {
      content.activeCellIndex = index;
      content.activate();
    }
  }

  override dispose(): void {
    if (!this.isDisposed) {
      clearInterval(this.timer);
      this.link?.changing.disconnect(this.onNews, this);
      this.diff?.dispose();
      if (!this.cell.isDisposed) {
        this.cell.removeClass('cj-Changing');
      }
      super.dispose();
    }
  }
}

/** The error that a cell shows, if it was last run as it stands there. */
function errorOf({ model }: Cell): { name: string; text: string } | null {
  const failed = isCodeCellModel(model) && !model.isDirty ? outputsOf(model).find(({ output_type }) => output_type === 'error') : undefined;
  return failed ? { name: String(failed.ename), text: String(failed.evalue) } : null;
}
