// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AnswerView } from '../src/answer/view';
import { readAnswer, readOps, type Answer } from '../src/protocol';
import { services } from '../src/widget/services';

// jsdom has no layout: nothing is ever resized.
vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });

const head: Answer = readAnswer({ version: 1, id: 'a', model: 'claude-sonnet-5-5', blocks: [] })!;

function live(stop = vi.fn()): { view: AnswerView; node: HTMLElement; send: (...ops: unknown[]) => Promise<void>; stop: () => void } {
  const node = document.body.appendChild(document.createElement('div'));
  const view = new AnswerView(node, services);
  view.begin(head, { run: stop, hint: 'Stop it' });
  const send = async (...ops: unknown[]): Promise<void> => {
    view.apply(readOps({ ops: ops.filter(op => !isEnd(op)) }));
    ops.filter(isEnd).forEach(({ ends }) => view.finish(readAnswer(ends)!));
    await view.whenPainted();
  };
  return { view, node, send, stop };
}
const text = { op: 'put', b: 0, block: { type: 'text', text: '' } };
const isEnd = (op: unknown): op is { ends: unknown } => typeof op === 'object' && op !== null && 'ends' in op;
const end = (more: object = {}): { ends: object } => ({
  ends: { version: 1, id: 'a', model: 'claude-sonnet-5-5', blocks: [{ type: 'text' }], complete: true, seconds: 9.1, ...more }
});

afterEach(() => document.body.replaceChildren());

describe('a live answer', () => {
  it('draws text as it comes, each finished block once', async () => {
    const { node, send } = live();
    await send(text, [0, 0, '# Title\n\nFirst *para']);
    expect(node.querySelector('h1')!.textContent).toBe('Title');
    expect(node.querySelector('em')!.textContent).toBe('para'); // healed
    const title = node.querySelector('h1');
    await send([0, 20, 'graph*\n\nSecond']);
    expect(node.querySelector('h1')).toBe(title);
    expect([...node.querySelectorAll('p')].map(p => p.textContent)).toEqual(['First paragraph', 'Second']);
    expect(node.querySelectorAll('.cj-caret')).toHaveLength(1);
    await send(end());
    expect(node.querySelectorAll('.cj-caret')).toHaveLength(0);
    expect(node.dataset.state).toBe('done');
  });

  it('drops repeats and says when it is catching up', async () => {
    const { view, node, send } = live();
    await send(text, [0, 0, 'abc'], [0, 0, 'abc'], [0, 2, 'cde']);
    expect(view.texts()).toEqual(['abcde']);
    await send([0, 9, 'late']);
    expect(node.querySelector('.cj-status')!.textContent).toContain('Catching up');
    expect(view.texts()).toBeNull();
    await send(end({ blocks: [{ type: 'text', text: 'abcde and all that was late' }] }));
    expect(node.textContent).toContain('all that was late');
  });

  it('grows a block of code by its end only', async () => {
    const { node, send } = live();
    const code = 'x = 1  # a line of code that is long enough\n'.repeat(400);
    await send(text, [0, 0, '```python\n' + code]);
    const first = node.querySelector('pre code')!.firstElementChild;
    await send([0, 10 + code.length, 'y = 2\n']);
    expect(node.querySelector('pre code')!.firstElementChild).toBe(first);
    await send([0, 16 + code.length, '```\n'], end());
    expect(node.querySelectorAll('pre')).toHaveLength(1);
    expect(node.querySelector('pre')!.textContent).toBe(code + 'y = 2');
  });

  it('grows a long table by its rows', async () => {
    const { node, send } = live();
    const rows = Array.from({ length: 200 }, (_, i) => `| ${i} | some text in a cell |\n`).join('');
    await send(text, [0, 0, '| n | t |\n|---|---|\n' + rows]);
    const first = node.querySelector('tbody tr');
    await send([0, 20 + rows.length, '| 200 | last']);
    expect(node.querySelector('tbody tr')).toBe(first);
    expect(node.querySelectorAll('table')).toHaveLength(1);
    expect(node.querySelectorAll('tbody tr')).toHaveLength(201);
    await send([0, 32 + rows.length, ' one |\n\nend'], end());
    expect(node.querySelectorAll('tbody tr')).toHaveLength(201);
    expect(node.querySelectorAll('table')).toHaveLength(1);
    expect(node.querySelector('tbody tr:last-child')!.textContent).toContain('last one');
  });

  it('keeps one list however long it grows', async () => {
    const { node, send } = live();
    const items = Array.from({ length: 150 }, (_, i) => `${i + 1}. item number ${i + 1}\n`).join('');
    await send(text, [0, 0, items], end());
    expect(node.querySelectorAll('ol')).toHaveLength(1);
    expect(node.querySelectorAll('li')).toHaveLength(150);
  });

  it('waits, thinks, calls a tool and names its sources', async () => {
    const { node, send } = live();
    await send({ op: 'status', text: 'The service is busy (529). Trying again, 2 of 3', until: 8 });
    expect(node.querySelector('.cj-status')!.textContent).toBe('The service is busy (529). Trying again in 8 s, 2 of 3.');
    await send({ op: 'status', text: 'Thinking', until: null });
    expect(node.querySelector('.cj-status')!.textContent).toBe('Thinking … 0 s');
    await send({ op: 'put', b: 0, block: { type: 'thinking', text: '', seconds: null } }, [0, 0, 'Hm.']);
    expect(node.querySelector('summary')!.textContent).toBe('Thinking');
    await send({ op: 'put', b: 0, block: { type: 'thinking', text: 'Hm.', seconds: 4 } });
    expect(node.querySelector('summary')!.textContent).toBe('Thought for 4 s');
    const call = { type: 'tool', name: 'store_calendar', input: { store: 4 }, result: null, error: null, seconds: null };
    await send({ op: 'put', b: 1, block: call });
    expect(node.querySelector('.cj-tool summary')!.textContent).toBe('Calling store_calendar(store=4)');
    await send({ op: 'put', b: 1, block: { ...call, result: 'closed', seconds: 0.2 } });
    expect(node.querySelector('.cj-tool summary')!.textContent).toBe('Called store_calendar(store=4) · 0.2 s');
    await send({ op: 'put', b: 1, block: { ...call, result: 'closed', seconds: 0.2, tokens: 1234, price: '$0.0037' } });
    expect(node.querySelector('.cj-tool summary')!.textContent).toBe(
      'Called store_calendar(store=4) · 0.2 s · 1,234 tokens, $0.0037'
    );
    const source = { type: 'citation', n: 1, title: 'Calendar', url: 'https://example.org/c', cited: 'x' };
    await send({ op: 'put', b: 2, block: source }, { op: 'put', b: 3, block: { ...source, n: 2, url: 'javascript:alert(1)' } });
    expect([...node.querySelectorAll('.cj-cite a')].map(a => a.getAttribute('href'))).toEqual(['https://example.org/c']);
  });

  it('is stopped by its button, once', async () => {
    const stop = vi.fn();
    const { node } = live(stop);
    const button = node.querySelector<HTMLButtonElement>('.cj-stop')!;
    button.click();
    button.click();
    expect(stop).toHaveBeenCalledTimes(1);
    expect(node.querySelector('.cj-status')!.textContent).toContain('Stopping');
  });

  it('ends as stopped or failed, with one clear line', async () => {
    const notice = { type: 'notice', level: 'error', text: 'Not sent: over budget.\nRaise it with `%config`.' };
    const { node, send } = live();
    await send(text, [0, 0, 'Half'], end({ blocks: [{ type: 'text' }, notice], complete: false, estimated: true, cost: '0.0051' }));
    expect(node.dataset.state).toBe('error');
    expect(node.querySelector('[role=alert]')!.textContent).toContain('Not sent: over budget.');
    expect(node.querySelector('.cj-notice code')!.textContent).toBe('%config');
    expect(node.querySelector('.cj-price b')!.textContent).toBe('≥ $0.0051');
  });

  it('says what it cost, also where it ends while something is waited for', async () => {
    const { node, send } = live();
    await send({ op: 'status', text: 'Thinking', until: null });
    expect(node.querySelector('.cj-foot')!.classList).toContain('cj-waiting');
    await send(end({ blocks: [{ type: 'notice', level: 'stopped', text: 'Stopped.' }], complete: false, cost: '0.0051', usage: { input: 12 } }));
    expect(node.querySelector('.cj-foot')!.classList).not.toContain('cj-waiting');
  });

  it('leaves nothing where nothing came: the error of the cell says why', async () => {
    const { node, send } = live();
    await send(end({ blocks: [], complete: false }));
    expect(node.hidden).toBe(true);
    const attached = live();
    await attached.send(end({ blocks: [], complete: false, attachments: [{ label: 'sales', kind: 'frame', tokens: 9, sent: '2 rows' }] }));
    expect(attached.node.dataset.state).toBe('error');
    expect(attached.node.querySelector<HTMLElement>('.cj-foot')!.hidden).toBe(true);
  });

  it('does not shout each word at a screen reader', async () => {
    const { node, send } = live();
    const said: string[] = [];
    const region = node.querySelector('[aria-live]')!;
    new MutationObserver(() => said.push(region.textContent!)).observe(region, { childList: true, characterData: true, subtree: true });
    await send(text, [0, 0, 'one ']);
    for (let i = 0; i < 5; i++) {
      await send([0, 4 + 4 * i, 'two ']);
    }
    await send(end());
    await Promise.resolve();
    expect(said.length).toBeLessThanOrEqual(2);
    expect(region.textContent).toBe('The answer is complete');
  });

  it('says nothing of what is only opened again', async () => {
    const node = document.body.appendChild(document.createElement('div'));
    const view = new AnswerView(node, services);
    view.show({ ...head, blocks: [{ type: 'text', text: 'Old words.' }], complete: true }, new Map([[0, 'Old words.']]));
    await view.whenPainted();
    expect(node.textContent).toContain('Old words.');
    expect(node.querySelector('[aria-live]')!.textContent).toBe('');
  });
});

it('an answer that cannot be drawn is shown as it was written, and disturbs no other', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const node = document.body.appendChild(document.createElement('div'));
  const view = new AnswerView(node, { ...services, render: () => { throw new Error('no'); } });
  view.begin(head, null);
  view.apply(readOps({ ops: [text, [0, 0, 'As *written*']] }));
  await view.whenPainted();
  expect(node.querySelector('.cj-md')!.textContent).toBe('As *written*');
  const { node: other, send } = live();
  await send(text, [0, 0, 'fine']);
  expect(other.querySelector('p')!.textContent).toBe('fine');
});

describe('nothing in an answer runs or fetches', () => {
  it.each([
    '<img src=x onerror=alert(1)>', '![x](https://evil.example/a.png)', '[a](javascript:alert(1))', '<script>alert(1)</script>',
    '<svg/onload=alert(1)>', '![$" onerror="alert(1)//$](x)', '[a](data:text/html,x)', '<a href="javascript:x">a</a>',
    '$\\href{javascript:alert(1)}{x}$', '```<img src=x onerror=alert(1)>\nx\n```', '[x]: javascript:alert(1)\n\n[x]',
    '- a\n\n  ```\n  x\n```\ntext\n```\n<img src=x onerror=alert(1)>\n```', '<https://a.example/"onmouseover="alert(1)>'
  ])('%s', async payload => {
    const { node, send } = live();
    await send(text, [0, 0, payload + '\n\nend'], end());
    expect(node.querySelectorAll('img, script, svg, iframe, object, style, form')).toHaveLength(0);
    for (const element of node.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name.startsWith('on'), `${name}=${value}`).toBe(false);
        expect(/^\s*(javascript|data|vbscript):/i.test(value), value).toBe(false);
      }
    }
  });
});
