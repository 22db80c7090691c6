/**
 * Pictures and files that are pasted or dropped on a prompt cell: those from outside are kept in the cell, those from the file browser
 * are named by their path. What the magic's line says (`-f attachment:NAME`, `-f PATH`) is sent. The format of notebooks has attachments
 * for Markdown cells alone; a code cell has them, in the same shape, in its metadata.
 */

import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { Notification } from '@jupyterlab/apputils';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import { tracker } from '../lab/host';
import { bytes, freeName, optionFor, pathFrom, promptOf } from './prompt';

const OURS = 'claude_jupyter';
const FROM_FILE_BROWSER = 'application/x-jupyter-icontents';
/** Bytes of one file, and characters of all that a cell holds: a server refuses messages of 10 MB. */
const LARGEST = 5_000_000;
const MOST = 7_500_000;

/** As in a notebook file: by name, the data by its type in base64. */
type Attachments = Record<string, Record<string, string>>;

/** A cell's model, as far as files in cells are concerned. */
export interface Holder {
  getMetadata(key: string): unknown;
  setMetadata(key: string, value: unknown): void;
}

const isHolder = (model: unknown): model is Holder => typeof (model as Partial<Holder>).setMetadata === 'function';

/** The files that a cell holds and whose names `source` mentions: name → base64. */
export function attachmentsOf(model: Holder, source: string): Record<string, string> {
  const entries = Object.entries(readAttachments(model)).filter(([name]) => source.includes(`attachment:${name}`));
  return Object.fromEntries(entries.map(([name, bundle]) => [name, Object.values(bundle)[0] ?? '']));
}

function readAttachments(model: Holder): Attachments {
  const { attachments } = (model.getMetadata(OURS) ?? {}) as { attachments?: unknown };
  return typeof attachments === 'object' && attachments !== null ? (attachments as Attachments) : {};
}

/** Pasting and dropping in one editor; in any other cell than a prompt everything is as ever. */
export function attaching(model: CodeEditor.IModel): Extension {
  if (!isHolder(model)) {
    return [];
  }
  const takes = (view: EditorView): boolean => promptOf(view.state.doc.toString()) !== null && !view.state.readOnly;
  const over = (event: Event, view: EditorView): boolean => {
    const drag = event as DragEvent & { mimeData?: { hasData(type: string): boolean }; dropAction?: string; proposedAction?: string };
    const files = drag.mimeData ? drag.mimeData.hasData(FROM_FILE_BROWSER) : drag.dataTransfer?.types.includes('Files');
    if (!files || !takes(view)) {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    if (drag.mimeData) {
      drag.dropAction = drag.proposedAction;
    }
    return true;
  };
  const handlers = {
    paste: (event: ClipboardEvent, view: EditorView) => {
      const files = filesIn(event.clipboardData);
      return takes(view) && files.length > 0 && !isText(event.clipboardData, files) && take(event, view, model, files);
    },
    dragover: over,
    drop: (event: DragEvent, view: EditorView) => {
      const files = filesIn(event.dataTransfer);
      return takes(view) && files.length > 0 && take(event, view, model, files);
    },
    'lm-dragenter': over,
    'lm-dragover': over,
    'lm-drop': (event: Event, view: EditorView) => {
      if (!over(event, view)) {
        return false;
      }
      const { mimeData } = event as Event & { mimeData: { getData(type: string): string[] } };
      const notebook = tracker()?.find(panel => panel.node.contains(view.dom))?.context.path ?? '';
      write(view, mimeData.getData(FROM_FILE_BROWSER).map(path => pathFrom(notebook, path)));
      return true;
    }
  };
  return EditorView.domEventHandlers(handlers as Parameters<typeof EditorView.domEventHandlers>[0]);
}

const filesIn = (data: DataTransfer | null): File[] => [...(data?.items ?? [])].flatMap(item => (item.kind === 'file' ? (item.getAsFile() ?? []) : []));

/** Spreadsheets put a picture beside the text that was copied; file managers put a file's name beside the file. */
function isText(data: DataTransfer | null, files: File[]): boolean {
  const text = data?.getData('text/plain').trim() ?? '';
  return text !== '' && !files.some(({ name }) => name && text.endsWith(name));
}

function take(event: Event, view: EditorView, model: Holder, files: File[]): true {
  event.preventDefault();
  event.stopPropagation();
  void keep(view, model, files).catch(error => Notification.warning(`Claude: the file cannot be read (${String(error)})`));
  return true;
}

async function keep(view: EditorView, model: Holder, files: File[]): Promise<void> {
  const source = view.state.doc.toString();
  const named = readAttachments(model);
  const used = Object.fromEntries(Object.entries(named).filter(([name]) => source.includes(`attachment:${name}`)));
  const added: string[] = [];
  for (const file of files) {
    const size = JSON.stringify(used).length;
    if (file.size > LARGEST || size + 1.4 * file.size > MOST) {
      const why = file.size > LARGEST ? `${file.name} is ${bytes(file.size)}; a cell can hold ${bytes(LARGEST)}.` : `With ${file.name} this cell would hold too much.`;
      Notification.warning(`${why} Upload it in the file browser, and drop it on the cell from there.`, { autoClose: 10_000 });
      continue;
    }
    const name = freeName(file.name, Object.keys(used));
    used[name] = { [file.type || 'application/octet-stream']: await base64(file) };
    added.push(`attachment:${name}`);
  }
  if (added.length) {
    model.setMetadata(OURS, { ...((model.getMetadata(OURS) as object | undefined) ?? {}), attachments: used });
    write(view, added);
  }
}

async function base64(file: File): Promise<string> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error('unreadable'));
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(',') + 1);
}

/** Name files on the magic's line; the caret stays where it was. */
function write(view: EditorView, names: string[]): void {
  const prompt = promptOf(view.state.doc.toString());
  if (prompt) {
    const at = prompt.from + view.state.sliceDoc(prompt.from, prompt.lineEnd).trimEnd().length;
    view.dispatch({ changes: { from: at, insert: names.map(optionFor).join('') }, userEvent: 'input.drop' });
    view.focus();
  }
}
