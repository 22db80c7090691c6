/** `%%claude` cells are prose: registers their language and how they are edited. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  IEditorExtensionRegistry,
  IEditorLanguageRegistry
} from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { onlyTheKernel } from './completion';
import { canPrompt, PROMPT_MIME, promptEditor } from './editor';

const MARKDOWN = 'text/x-ipythongfm'; // Markdown with LaTeX, as in Markdown cells

export const prompts: JupyterFrontEndPlugin<void> = {
  id: 'claude-jupyter:prompts',
  description: 'Edits %%claude cells as prose.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  optional: [ICompletionProviderManager],
  activate: (
    app,
    extensions: IEditorExtensionRegistry,
    languages: IEditorLanguageRegistry,
    completion: ICompletionProviderManager | null
  ) => {
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
          ? EditorExtensionRegistry.createImmutableExtension(promptEditor(model))
          : null
    });
  }
};
