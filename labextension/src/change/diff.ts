/** A cell's source and what it would become, in a separate editor, so that nothing in the notebook changes before it is accepted. */

import { jupyterTheme } from '@jupyterlab/codemirror';
import { acceptChunk, getChunks, goToNextChunk, goToPreviousChunk, rejectChunk, unifiedMergeView } from '@codemirror/merge';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { EditorView, keymap, type Command } from '@codemirror/view';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { Cell } from '@jupyterlab/cells';

export interface Keys {
  accept(): void;
  reject(): void;
  /** The pieces that are left have changed. */
  changed(): void;
}

const merged = (original: string, controls: boolean): Extension =>
  unifiedMergeView({ original, mergeControls: controls, gutter: true, syntaxHighlightDeletions: true });

const looks = [
  jupyterTheme,
  EditorView.lineWrapping,
  EditorView.contentAttributes.of({ 'aria-label': 'What would change in the cell' })
];

/** The caret goes to the piece that it is in or before, else to the first: it is decided next. */
function toPiece(view: EditorView): true {
  const chunks = getChunks(view.state)?.chunks ?? [];
  const { head } = view.state.selection.main;
  const next = chunks.find(({ endB }) => endB >= head) ?? chunks[0];
  if (next) {
    view.dispatch({ selection: { anchor: Math.min(next.fromB, view.state.doc.length) }, scrollIntoView: true });
  }
  return true;
}

/** The diff of one cell: the whole of it, or single pieces, can be taken. */
export class CellDiff {
  readonly view: EditorView;
  private readonly diff = new Compartment();
  private readonly frozen = new Compartment();

  constructor(
    parent: HTMLElement,
    private readonly original: string,
    language: Extension,
    keys: Keys
  ) {
    const does = (act: () => void): Command => () => {
      act();
      return true;
    };
    const bindings = keymap.of([
      { key: 'Mod-Enter', run: does(() => keys.accept()) },
      { key: 'Escape', run: does(() => keys.reject()) },
      { key: 'Alt-ArrowDown', run: goToNextChunk },
      { key: 'Alt-ArrowUp', run: goToPreviousChunk },
      { key: 'Alt-Enter', run: view => acceptChunk(view) && toPiece(view) },
      { key: 'Alt-Backspace', run: view => rejectChunk(view) && toPiece(view) }
    ]);
    const listener = EditorView.updateListener.of(update => {
      if (update.docChanged || update.transactions.length) {
        keys.changed();
      }
    });
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: original,
        extensions: [bindings, listener, language, looks, this.frozen.of(EditorState.readOnly.of(true)), this.diff.of(merged(original, false))]
      })
    });
  }

  /** What has arrived of the new source: the rest of the old one is below it until the end. */
  arrive(source: string, done: boolean): void {
    const lines = source.split('\n');
    const rest = done ? [] : this.original.split('\n').slice(lines.length);
    const doc = [...lines, ...rest].join('\n');
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: doc } });
    if (done) {
      this.view.dispatch({
        effects: [this.diff.reconfigure(merged(this.original, true)), this.frozen.reconfigure([])]
      });
      toPiece(this.view);
      this.view.focus();
    }
  }

  get source(): string {
    return this.view.state.doc.toString();
  }

  /** How many pieces are neither taken nor rejected. */
  get open(): number {
    return getChunks(this.view.state)?.chunks.length ?? 0;
  }

  dispose(): void {
    this.view.destroy();
  }
}

/** Show within a cell's own editor what is different from `original`; returns what takes it away. */
export function markChanges(cell: Cell, original: string): () => void {
  const editor = cell.editor as CodeMirrorEditor | null;
  if (!editor) {
    return () => undefined;
  }
  const part = new Compartment();
  editor.injectExtension(part.of(merged(original, false)));
  return () => {
    if (!editor.isDisposed) {
      editor.editor.dispatch({ effects: part.reconfigure([]) });
    }
  };
}
