/** In a prompt only the kernel completes: it knows the options, the names, and what is in braces. Others would offer words of the prose. */

import type { ICompletionProvider, ICompletionProviderManager } from '@jupyterlab/completer';
import { PROMPT_MIME } from './editor';

const KERNEL = 'CompletionProvider:kernel';

/** JupyterLab's manager has it, its interface does not name it. */
type Manager = ICompletionProviderManager & { getProviders?(): Map<string, ICompletionProvider> };

export function onlyTheKernel(manager: Manager): void {
  const done = new WeakSet<ICompletionProvider>();
  const settle = (): void => {
    for (const [id, provider] of manager.getProviders?.() ?? []) {
      if (id !== KERNEL && !done.has(provider)) {
        done.add(provider);
        const applicable = provider.isApplicable.bind(provider);
        provider.isApplicable = async context => context.editor?.model.mimeType !== PROMPT_MIME && applicable(context);
      }
    }
  };
  settle();
  manager.activeProvidersChanged.connect(settle);
}
