/** `%%claude` cells are prose: registers their language and how they are edited. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  IEditorExtensionRegistry,
  IEditorLanguageRegistry
} from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { INotebookTracker } from '@jupyterlab/notebook';
import { attaching } from './attaching';
import { onlyTheKernel } from './completion';
import { canPrompt, PROMPT_MIME, promptEditor } from './editor';
import { keepPrompts } from './pieces';

const MARKDOWN = 'text/x-ipythongfm'; // Markdown with LaTeX, as in Markdown cells

export const prompts: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:prompts',
  description: 'Edits %%claude cells as prose.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  optional: [ICompletionProviderManager, INotebookTracker],
  activate: (
    app,
    extensions: IEditorExtensionRegistry,
    languages: IEditorLanguageRegistry,
    completion: ICompletionProviderManager | null,
    tracker: INotebookTracker | null
  ) => {
    if (tracker) {
      keepPrompts(app.commands, tracker);
    }
    if (completion) {
      void app.restored.then(() => onlyTheKernel(completion));
    }
    languages.addLanguage({
      name: 'claude-prompt',
      displayName: 'Prompt to Claude',
      mime: PROMPT_MIME,
      load: async () => (await languages.getLanguage(MARKDOWN))!.support!
    });
    extensions.addExtension({
      name: 'claude-jupyter:prompt',
      factory: ({ model, inline }) =>
        inline && canPrompt(model.mimeType)
          ? EditorExtensionRegistry.createImmutableExtension([promptEditor(model), attaching(model)])
          : null
    });
  }
};
