/** How a prompt cell is edited: as prose (Markdown, soft wrap, the browser's spelling), its option line and values marked. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import { RangeSetBuilder, StateEffect, StateField, type EditorState, type Extension } from '@codemirror/state';
import { Decoration, EditorView, ViewPlugin, type DecorationSet, type ViewUpdate } from '@codemirror/view';
import { bracesIn, promptOf, questionOf, type Prompt } from './prompt';

export const PROMPT_MIME = 'text/x-claude-prompt';

/** Languages of cells that may hold a prompt: Python's, or none if no kernel has told yet. */
const OURS = /^text\/x-(i?python|claude-prompt)|^$|^text\/plain$/;

/** Whether the notebook turned out to be in another language, whose `%%claude` is none of ours. */
const elsewhere = StateEffect.define<boolean>();

const place = StateField.define<boolean>({
  create: () => false,
  update: (value, { effects }) => effects.reduce((last, effect) => (effect.is(elsewhere) ? effect.value : last), value)
});

const prompt = StateField.define<Prompt | null>({
  create: read,
  update: (value, transaction) => (transaction.docChanged || transaction.effects.length ? read(transaction.state) : value)
});

function read(state: EditorState): Prompt | null {
  const source = state.sliceDoc(0, 2000);
  return state.field(place) ? null : (promptOf(source) ?? (state.doc.length < 2000 ? questionOf(source) : null));
}

/** Whether a cell of this language can be a prompt. */
export const canPrompt = (mimeType: string): boolean => OURS.test(mimeType);

const comment = Decoration.mark({ class: 'cj-comment' });
const magic = Decoration.mark({ class: 'cj-magic' });
const options = Decoration.mark({ class: 'cj-options' });
const value = Decoration.mark({ class: 'cj-value' });

const marks = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;

    constructor(view: EditorView) {
      this.decorations = draw(view);
    }

    update(update: ViewUpdate): void {
      if (update.docChanged || update.viewportChanged || isPrompt(update.startState) !== isPrompt(update.state)) {
        this.decorations = draw(update.view);
      }
    }
  },
  { decorations: plugin => plugin.decorations }
);

function isPrompt(state: EditorState): boolean {
  return state.field(prompt) !== null;
}

function draw(view: EditorView): DecorationSet {
  const range = view.state.field(prompt);
  const builder = new RangeSetBuilder<Decoration>();
  if (range) {
    if (range.from > 0) {
      builder.add(0, range.from, comment);
    }
    builder.add(range.from, range.magicEnd, magic);
    if (range.lineEnd > range.magicEnd) {
      builder.add(range.magicEnd, range.lineEnd, options);
    }
    for (const { from, to } of view.visibleRanges) {
      const start = Math.max(from, range.lineEnd);
      if (start < to) {
        for (const brace of bracesIn(view.state.sliceDoc(start, to))) {
          builder.add(start + brace.from, start + brace.to, value);
        }
      }
    }
  }
  return builder.finish();
}

const prose = EditorView.contentAttributes.of(view =>
  view.state.field(prompt)
    ? { class: 'cm-lineWrapping cj-prompt', spellcheck: 'true', autocorrect: 'on', 'aria-label': 'Prompt to Claude' }
    : null
);

/** Keep the language of the cell's model in step with its first line, also when the notebook sets it anew (kernel restart). */
function language(model: CodeEditor.IModel): Extension {
  return ViewPlugin.define(view => {
    let before = model.mimeType;
    const settle = (): void => {
      const foreign = !canPrompt(model.mimeType);
      if (foreign !== view.state.field(place)) {
        view.dispatch({ effects: elsewhere.of(foreign) });
      }
      if (isPrompt(view.state)) {
        if (model.mimeType !== PROMPT_MIME) {
          before = model.mimeType;
          model.mimeType = PROMPT_MIME;
        }
      } else if (model.mimeType === PROMPT_MIME) {
        model.mimeType = before === PROMPT_MIME ? 'text/x-ipython' : before;
      }
    };
    // Not within an update of the editor, which a change of language would start again.
    const later = (): void => void setTimeout(settle);
    later();
    model.mimeTypeChanged.connect(later);
    return {
      update: update => {
        if (update.docChanged && isPrompt(update.startState) !== isPrompt(update.state)) {
          later();
        }
      },
      destroy: () => void model.mimeTypeChanged.disconnect(later)
    };
  });
}

/** Everything for one editor of a code cell. */
export function promptEditor(model: CodeEditor.IModel): Extension {
  return [place, prompt, marks, prose, language(model)];
}
