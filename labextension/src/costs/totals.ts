/**
 * Keeps a notebook's running total in its metadata: written into the document as it is saved, and only if it has changed.
 *
 * The total is what the ledger knows of this notebook, and what its file knew beyond that (from under an earlier name, or before
 * the ledger was lost). Notebooks that never asked, and those that cannot be written, are left alone.
 */

import type { Contents } from '@jupyterlab/services';
import { JSONExt, UUID, type PartialJSONObject } from '@lumino/coreutils';
import type { KernelLink } from '../kernel';
import type { State } from '../state';
import { amountOf, beyond, NOTHING, placeOf, plus, readTotal, type Amount, type Total } from './running';

const KEY = 'claude_jupyter';

/** Names that files had before they were renamed by this page. */
export class Renames {
  private readonly before = new Map<string, string>();

  constructor(contents: Contents.IManager) {
    contents.fileChanged.connect((_, { type, oldValue, newValue }) => {
      if (type === 'rename' && oldValue?.path && newValue?.path) {
        this.before.set(newValue.path, oldValue.path);
      }
    });
  }

  of(path: string): Set<string> {
    const names = new Set<string>();
    for (let name: string | undefined = path; name !== undefined && !names.has(name); name = this.before.get(name)) {
      names.add(name);
    }
    return names;
  }
}

export class Totals {
  /** What the file knows beyond the ledger; null until the kernel has told its sums. */
  private carried: Amount | null = null;
  private last: Amount = NOTHING;

  constructor(
    private readonly link: KernelLink,
    private readonly renames: Renames
  ) {
    link.changed.connect(this.settle, this);
    link.panel.context.saveState.connect((_: unknown, state: string) => {
      if (state === 'started') {
        this.write();
      }
    });
  }

  private settle(): void {
    const { state } = this.link;
    const ledger = state?.notebook;
    if (!state || !ledger) {
      return;
    }
    if (this.carried === null || plus(this.carried, ledger).calls < this.last.calls) {
      // The first word of a kernel, or of another one, which knows the notebook by another name.
      const stored = this.stored(state);
      const base = this.carried === null ? (stored ? amountOf(stored) : NOTHING) : this.last;
      this.carried = beyond(base, this.link.fromStart ? beyond(ledger, state.kernel) : ledger);
    }
    this.last = plus(this.carried, ledger);
  }

  private write(): void {
    const { panel, state } = this.link;
    const model = panel.context.model;
    if (!state?.notebook_totals || this.carried === null || this.last.calls === 0 || model.readOnly) {
      return;
    }
    const stored = this.stored(state);
    if (stored && stored.calls > this.last.calls) {
      return; // another page of this notebook knows more
    }
    const { calls, tokens, cost } = this.last;
    const id = `${stored ? stored.id.split('.')[0] : UUID.uuid4().replace(/-/g, '')}.${placeOf(state.user, panel.context.path)}`;
    const total: Total = { id, calls, tokens, cost_usd: cost };
    const value = { ...total } as PartialJSONObject;
    if (!JSONExt.deepEqual(value, (model.getMetadata(KEY) as PartialJSONObject | undefined) ?? {})) {
      model.sharedModel.transact(() => model.sharedModel.setMetadata(KEY, value), false);
    }
  }

  /** The total in the file, if it is this notebook's and no other's. */
  private stored(state: State): Total | null {
    const { context } = this.link.panel;
    const total = readTotal(context.model.getMetadata(KEY));
    const places = [...this.renames.of(context.path)].map(path => placeOf(state.user, path));
    return total && places.includes(total.id.split('.')[1]) ? total : null;
  }
}
