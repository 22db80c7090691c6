// @vitest-environment jsdom
/**
 * What a real kernel says, as `tests/kernel/test_comm_fixtures.py` recorded and holds it, shown in the page's own parts: the widget's
 * view of an answer that arrives, the view of the same answer saved, and the link that asks for prices and turns.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Signal } from '@lumino/signaling';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mount, type Model } from '../src/answer/mount';
import { AnswerView } from '../src/answer/view';
import { KernelLink } from '../src/kernel';
import { tellLayout } from '../src/layout';
import { page } from '../src/page';
import { MIME, joinTexts, readAnswer, textsOf } from '../src/protocol';
import type { Bundle } from '../src/state';
import { services } from '../src/widget/services';

vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../../tests/fixtures/comm');
const read = (name: string): any => JSON.parse(readFileSync(join(FOLDER, name), 'utf-8'));
const answers = readdirSync(FOLDER).filter(name => name.startsWith('answer-'));

afterEach(() => {
  document.body.replaceChildren();
  page().live.clear();
  vi.useRealTimers();
});

/** A comm of a widget, as anywidget's model gives it. */
function modelOf(state: Record<string, unknown>): Model & { sent: unknown[] } {
  const sent: unknown[] = [];
  return { get: name => state[name], send: content => void sent.push(content), on: () => undefined, sent };
}

async function drawn(view: { whenPainted(): Promise<void> }, node: HTMLElement): Promise<HTMLElement> {
  await view.whenPainted();
  await new Promise(resolve => setTimeout(resolve, 20)); // formulas and colours
  node.querySelectorAll('.cj-sr, .cj-caret').forEach(item => item.remove());
  return node;
}

describe.each(answers)('%s', name => {
  const { model, messages, final, shown } = read(name);
  const answer = readAnswer(final.data[MIME])!;
  const texts = textsOf(answer, final.data['text/markdown'])!;

  it('can be read to the last field', () => {
    expect(readAnswer(model.answer)!.id).toBe(answer.id);
    expect(shown.metadata.claude_jupyter.id).toBe(answer.id);
    expect(answer.blocks).toHaveLength(final.data[MIME].blocks.length);
    expect(answer.complete).toBe(answer.stop_reason === 'end_turn');
    expect([...texts.keys()]).toEqual(answer.blocks.flatMap((block, b) => (block.type === 'text' ? [b] : [])));
  });

  it('looks the same as it arrived and as it was saved', async () => {
    const host = document.body.appendChild(document.createElement('div'));
    const mounted = mount({ model: modelOf(model), el: host, log: messages.slice(0, 1) }, services);
    messages.slice(1).forEach((message: unknown) => mounted.push(message));
    const live = page().live.get(answer.id)!;
    expect(joinTexts(live.view.texts() ?? [])).toBe(final.data['text/plain']);
    const view = live.view as AnswerView;
    view.finish(answer);
    const arrived = await drawn(view, view.node);

    const node = document.body.appendChild(document.createElement('div'));
    const again = new AnswerView(node, services);
    again.show(answer, texts);
    const saved = await drawn(again, node);
    const facts = (side: HTMLElement): unknown => [
      side.dataset.state,
      side.innerHTML.replace(/cj-tip-\d+/g, 'cj-tip').replace(/ (?:open|tabindex)="[^"]*"/g, '').replace(/\u200b/g, '').replace(/cj-page( cj-settled)?/g, 'cj-page')
    ];
    expect(facts(arrived)).toEqual(facts(saved));
  });

  it('is stopped by what the kernel listens for', async () => {
    const host = document.body.appendChild(document.createElement('div'));
    const interrupt = vi.fn(async () => undefined);
    const here = modelOf(model);
    mount({ model: { ...here, widget_manager: { kernel: { interrupt } } }, el: host, log: messages }, services);
    host.querySelector<HTMLButtonElement>('.cj-stop')!.click();
    expect(interrupt).toHaveBeenCalledTimes(1);
    expect(here.sent).toEqual([]);
  });
});

describe('the link', () => {
  const { exchange } = read('link.json') as { exchange: { page: any; kernel: any }[] };

  it('asks and hears as the kernel does', () => {
    vi.useFakeTimers();
    const asked: any[] = [];
    const comm: any = { isDisposed: false, open: (data: unknown) => asked.push(data), send: (data: unknown) => asked.push(data), dispose: () => undefined };
    const kernel = { isDisposed: false, connectionStatus: 'connected', createComm: () => comm, requestExecute: () => undefined };
    const signal = (): any => new Signal({});
    const sessionContext = { kernelChanged: signal(), statusChanged: signal(), iopubMessage: signal(), session: { kernel } };
    const panel: any = { sessionContext, disposed: signal(), context: { path: 'a.ipynb' } };
    const link = new KernelLink(panel);
    const bundles: Bundle[] = [];
    link.answered.connect((_, bundle) => bundles.push(bundle));
    const hear = ({ kernel: data }: (typeof exchange)[number]): void => comm.onMsg({ content: { data } });

    vi.advanceTimersByTime(300);
    expect(asked.pop()).toEqual(exchange[0].page);
    hear(exchange[0]);
    expect(link.state!.turns).toEqual([]);

    for (const message of [
      { header: { msg_type: 'execute_input' }, parent_header: { msg_id: 'm' }, content: { code: '%%claude\nWhat?', execution_count: 1 } },
      { header: { msg_type: 'status' }, parent_header: { msg_id: 'm' }, content: { execution_state: 'idle' } }
    ]) {
      sessionContext.iopubMessage.emit(message);
    }
    vi.advanceTimersByTime(300);
    expect(asked.pop()).toEqual(exchange[1].page);
    hear(exchange[1]);
    const [turn] = link.state!.turns;
    expect(turn).toMatchObject({ turn: 1, cell: 'asked', prompt: 'What is odd?', cost: '0.000030000000', hidden: false });
    expect(link.state).toMatchObject({ kernel: { calls: 1, tokens: 11 }, context: { used: 11, window: 1000000 }, model: 'claude-sonnet-5-5' });

    for (const { page: said, kernel: reply } of exchange.slice(2)) {
      const { op, ...more } = said;
      link.send(op, more);
      expect(asked.pop()).toEqual(said);
      hear({ page: said, kernel: reply });
      if (reply.op === 'state') {
        expect(link.state!.turns.map(each => each.hidden)).toEqual(reply.turns.map((each: any) => each.hidden));
        expect(link.state!.chat).toBe(reply.chat);
        expect(link.problem).toBe('');
      } else if (reply.op === 'error') {
        expect(link.problem).toBe(reply.text);
      } else {
        expect(bundles.pop()).toMatchObject({ id: turn.answer, data: reply.data });
      }
    }
    link.dispose();
  });
});

describe('an execution', () => {
  const executed = (code: string, disposed = false): unknown => {
    const requests: unknown[][] = [];
    const kernel: any = { requestExecute: (...given: unknown[]) => void requests.push(given) };
    const widgets = ['a', 'b'].map(id => ({ model: { id } }));
    tellLayout(kernel, { content: { widgets }, context: { path: 'a.ipynb' }, isDisposed: disposed } as any);
    kernel.requestExecute({ code }, false, { cellId: 'b' });
    expect(requests).toHaveLength(1);
    return requests[0];
  };

  it('that may ask something tells which cells stand on the page', () => {
    const metadata = { cellId: 'b', claude_jupyter: { notebook: 'a.ipynb', cells: ['a', 'b'] } };
    expect(executed('%%claude\nWhy?')).toEqual([{ code: '%%claude\nWhy?' }, false, metadata]);
  });

  it('of anything else, or of a page that was closed, goes as it came', () => {
    expect(executed('x = 1')).toEqual([{ code: 'x = 1' }, false, { cellId: 'b' }]);
    expect(executed('%claude why', true)).toEqual([{ code: '%claude why' }, false, { cellId: 'b' }]);
  });
});
