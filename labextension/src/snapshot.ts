/**
 * An answer that is still arriving, as an output that can be saved: the shape of the kernel's durable bundle, marked as unfinished.
 * Pure. `metadata.claude_jupyter.live` tells our own view that more will come.
 */

import { dollars } from './format';
import { isBilled, joinTexts, MIME, VERSION, withoutMargins, type Answer, type Block, type NoticeBlock, type TextBlock, type Usage } from './protocol';
import { pairsIn, Sealer } from './seal';

export interface Arrived {
  blocks: Block[];
  usage: Usage;
  cost: string | null;
  seconds: number;
}

export interface Snapshot {
  data: Record<string, string | object>;
  metadata: { claude_jupyter?: { id: string; live: true } };
}

export const UNFINISHED: NoticeBlock = {
  type: 'notice',
  level: 'info',
  text: 'Unfinished: this is what had arrived when the notebook was saved.'
};
export const LOST: NoticeBlock = {
  type: 'notice',
  level: 'stopped',
  text: 'Stopped. The kernel ended before the answer did; what had arrived is kept.'
};

/** `notice` says why it is not whole: still arriving, or lost for good; `sealers` are kept from one snapshot to the next. */
export function snapshotOf(answer: Answer, arrived: Arrived, notice: NoticeBlock, sealers: Sealer[] = []): Snapshot {
  const live = notice === UNFINISHED;
  const { usage, cost, seconds } = arrived;
  const pieces = ['**Claude**']; // as the kernel's: not the author's own words, wherever it is read
  const blocks: unknown[] = [];
  const texts = arrived.blocks.flatMap(block => (block.type === 'text' ? [block.text ?? ''] : []));
  let nth = 0;
  let length = pieces[0].length;
  let open = '';
  arrived.blocks.forEach((block, b) => {
    if (block.type !== 'text') {
      blocks.push(block.type === 'unknown' || block.type === 'step' ? block.data : block);
      return;
    }
    const { sealed, points, fence } = (sealers[b] ??= new Sealer()).update(block.text ?? '');
    const start = length + (sealed ? 2 : 0);
    length = start + points;
    const own: TextBlock = { type: 'text', start, end: length };
    const text = withoutMargins(texts[nth], nth++);
    blocks.push(texts.length > 1 ? { ...own, length: text.length - pairsIn(text) } : own);
    if (sealed) {
      pieces.push(sealed);
      open = fence;
    }
  });
  const day = new Date(Date.now() - 1000 * seconds);
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()].map(n => String(n).padStart(2, '0')).join('-');
  const facts = [answer.model.replace(/[^\w.:@-]/g, ''), date, dollars(cost, true)].filter(Boolean).join(' · ');
  if (open) {
    pieces.push(`${pieces.pop()!.replace(/\n$/, '')}\n${open}`); // what follows is not code
  }
  const markdown = [...pieces, `*${notice.text}*`, `*${facts}*`].filter(Boolean).join('\n\n');
  const { billed, once, starts, saved, ...head } = answer;
  const seldom = { ...(billed === isBilled(head.provider, head.replayed) ? {} : { billed }), ...(once && { once }), ...(starts && { starts }), ...(saved && { saved }) };
  const attachments = answer.attachments.map(item => Object.fromEntries(Object.entries(item).filter(([, value]) => value !== null)));
  const fields = { ...head, ...seldom, attachments, blocks: [...blocks, notice], usage, cost, seconds: Math.round(seconds) };
  return {
    data: {
      [MIME]: { version: VERSION, ...fields, estimated: true, complete: false, stop_reason: live ? null : 'stopped', started: day.toISOString().replace(/\.\d+Z$/, '+00:00') },
      'text/markdown': markdown,
      'text/plain': joinTexts(texts)
    },
    metadata: live ? { claude_jupyter: { id: answer.id, live: true } } : {}
  };
}

/** Whether an output holds an answer that was still arriving when it was written. */
export function isUnfinished(metadata: unknown): boolean {
  const ours = (metadata as { claude_jupyter?: { live?: unknown } | null } | undefined)?.claude_jupyter;
  return ours?.live === true;
}
