/** Outputs with answers in them, as they are in a notebook's model. */

import { MIME } from '../protocol';

/** The id of the answer that an output holds, arriving or finished; '' if none. */
export function idOf(output: { data: object; metadata: object }): string {
  const { claude_jupyter: ours } = output.metadata as { claude_jupyter?: { id?: unknown } | null };
  const answer = (output.data as Record<string, { id?: unknown } | null | undefined>)[MIME];
  const id = answer?.id ?? ours?.id;
  return typeof id === 'string' ? id : '';
}
