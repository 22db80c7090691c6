/** The API key in the settings editor: a hidden field whose text goes to the system's keyring through a kernel, and nowhere else. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import { IFormRendererRegistry } from '@jupyterlab/ui-components';
import { createElement } from 'react';
import { button, el, setText } from './answer/dom';
import { isLoaded } from './kernels';
import { PLUGIN } from './settings';

const SAVE = `get_ipython().extension_manager.load_extension('claude_jupyter')
get_ipython().run_line_magic('claude_key', '--save')`;

export const key: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:key',
  description: 'A hidden field for the API key in the settings editor.',
  autoStart: true,
  requires: [IFormRendererRegistry],
  optional: [INotebookTracker],
  activate: (app: JupyterFrontEnd, forms: IFormRendererRegistry, tracker: INotebookTracker | null) => {
    const fields = new WeakSet<HTMLElement>();
    const fill = (node: HTMLElement | null): void => {
      if (node && !fields.has(node)) {
        fields.add(node);
        node.append(...field(text => save(app, tracker, text)));
      }
    };
    forms.addRenderer(`${PLUGIN}.key`, { fieldRenderer: () => createElement('div', { className: 'cj-key-field', ref: fill }) });
  }
};

/** `save` resolves with what happened, in words. */
function field(save: (key: string) => Promise<string>): HTMLElement[] {
  const id = 'claude-jupyter-key';
  const label = el('label', '', 'API key');
  const hint = el('p', '', 'Not needed if ANTHROPIC_API_KEY is set in the environment.');
  const input = el('input');
  const status = el('p', 'cj-said');
  label.htmlFor = input.id = id;
  input.type = 'password';
  input.autocomplete = 'off';
  input.placeholder = 'sk-ant-…';
  status.setAttribute('role', 'status');
  const send = async (): Promise<void> => {
    const text = input.value.trim();
    input.value = '';
    if (text) {
      action.disabled = true;
      setText(status, 'Saving …');
      setText(status, await save(text).catch(error => `The key was not saved: ${String(error)}`));
      action.disabled = false;
    }
  };
  const action = button('jp-mod-styled jp-mod-accept', 'Save in keyring', () => void send());
  for (const type of ['input', 'change', 'keydown', 'keyup']) {
    input.addEventListener(type, event => {
      event.stopPropagation(); // nothing of it reaches the form around it
      if (type === 'keydown' && (event as KeyboardEvent).key === 'Enter') {
        event.preventDefault();
        void send();
      }
    });
  }
  return [label, hint, el('div', 'cj-key-line', input, action), status];
}

/** In the notebook's kernel, which then uses the key at once, or else in one that lives for the moment. */
async function save(app: JupyterFrontEnd, tracker: INotebookTracker | null, text: string): Promise<string> {
  const panel = tracker?.currentWidget;
  const own = panel && isLoaded(panel) ? panel.sessionContext.session?.kernel : null;
  for (let n = 0; own?.status === 'busy' && n < 50; n++) {
    await new Promise(resolve => setTimeout(resolve, 100)); // not for a cell that runs long
  }
  if (own?.status === 'idle') {
    return run(own, text);
  }
  const kernel = await app.serviceManager.kernels.startNew();
  try {
    const output = await run(kernel, text);
    return /in this kernel only/.test(output) ? `${output.split(';')[0]}. Run %claude_key in a notebook, or set ANTHROPIC_API_KEY before Jupyter starts.` : output;
  } finally {
    void kernel.shutdown();
  }
}

async function run(kernel: Kernel.IKernelConnection, text: string): Promise<string> {
  let output = '';
  const future = kernel.requestExecute({ code: SAVE, silent: true, store_history: false, allow_stdin: true, stop_on_error: false });
  future.onStdin = message => {
    if (KernelMessage.isInputRequestMsg(message)) {
      kernel.sendInputReply({ status: 'ok', value: text }, message.header);
    }
  };
  future.onIOPub = message => {
    if (KernelMessage.isStreamMsg(message)) {
      output += message.content.text;
    }
  };
  const { content } = await future.done;
  return content.status === 'error' ? content.evalue : output.trim() || 'The key is saved.';
}
