import type { Answer } from '../protocol';

/** `claude.resume()` and `claude.restore()`, as buttons. */
export type Advice = 'resume' | 'restore';

/** What a view of an answer needs from its host: the widget brings its own, the extension JupyterLab's. */
export interface Services {
  /** Markdown (raw, not trusted) drawn into an empty node: nothing in it may run, or fetch anything. */
  render(markdown: string, node: HTMLElement): void | Promise<void>;
  /** Code colored into an empty node; false if the language is not known. */
  highlight?(code: string, language: string, node: HTMLElement): boolean | Promise<boolean>;
  /** Mathematics in a node that `render` drew; a promise while the host loads what sets it. */
  typeset?(node: HTMLElement): void | Promise<void>;
  /** A fenced block that the host draws as something else than code (a diagram). */
  draws?(language: string): boolean;
  copy(text: string): Promise<void>;
  /** Put code into a new cell below the one that holds `node`. */
  insertBelow?(code: string, node: HTMLElement): void;
  /** What an attachment of an answer carried, by its place among them; `image` is a `data:` URL or ''. */
  sent?(answer: Answer, place: number, node: HTMLElement): Promise<{ text: string; image: string }>;
  /** Do what a notice of an answer advises, where the host can. */
  follow?(advice: Advice, answer: Answer, node: HTMLElement): void;
  /** Why the buttons of this answer must not act, if so. */
  untrusted?: string;
}

/** How a running answer is stopped. */
export interface Stop {
  run(): void;
  /** Said on the button. */
  hint: string;
}
