// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AnswerView } from '../src/answer/view';
import { readAnswer, readOps } from '../src/protocol';
import { services } from '../src/widget/services';

// jsdom has no layout: nothing is ever resized.
vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });

// A file of its own: the painter is one for all views, and its clock stands still here.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const FRAME = 20; // ms: one frame is over by then

it('paints the first words with the next frame, however lately the empty answer was painted', async () => {
  const node = document.body.appendChild(document.createElement('div'));
  const view = new AnswerView(node, services);
  view.begin(readAnswer({ version: 1, id: 'a', model: 'claude-sonnet-5-5', blocks: [] })!, null);
  const send = async (ms: number, ...ops: unknown[]): Promise<void> => {
    view.apply(readOps({ ops }));
    await vi.advanceTimersByTimeAsync(ms);
  };
  await send(FRAME, { op: 'put', b: 0, block: { type: 'text', text: '' } });
  await send(FRAME, [0, 0, 'First words']);
  expect(node.textContent).toContain('First words');
  await send(FRAME, [0, 11, ', more']);
  expect(node.textContent).not.toContain('more'); // what follows keeps the pace
  await vi.advanceTimersByTimeAsync(300);
  expect(node.textContent).toContain('First words, more');
});
