/** The language of a notebook. */

import type { NotebookPanel } from '@jupyterlab/notebook';

/** Whether the notebook's language is Python, as far as anybody has said; in another there is nothing that the buttons could write. */
export function speaksPython({ content }: NotebookPanel): boolean {
  const metadata = (key: string, name: string): unknown => (content.model?.getMetadata(key) as Record<string, unknown> | undefined)?.[name];
  const language = metadata('language_info', 'name') ?? metadata('kernelspec', 'language');
  return typeof language !== 'string' || /^(?:i?python\d*|sage)?$/i.test(language);
}
