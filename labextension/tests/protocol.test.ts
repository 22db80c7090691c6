import { describe, expect, it } from 'vitest';
import { joinTexts, readAnswer, readOps, textsOf } from '../src/protocol';

const saved = {
  version: 1, id: 'a', chat: 'main', turn: 3, model: 'claude-sonnet-5-5', provider: 'anthropic',
  blocks: [
    { type: 'thinking', text: 'Hm.', seconds: 4 },
    { type: 'text', start: 0, end: 8 },
    { type: 'notice', level: 'info', text: 'Cut.' },
    { type: 'text', start: 10, end: 14 }
  ],
  attachments: [{ label: 'fig', kind: 'image', tokens: 9, sent: '1 × 1', size: [1, 1], thumbnail: 'data:image/png;base64,AA==' }],
  usage: { input: 1, output: 2 }, cost: '0.01', estimated: false, complete: true, stop_reason: 'end_turn',
  started: null, seconds: 2, replayed: false, saved: null
};
const MARKDOWN = 'Says 😀 é\n\nMore\n\n*facts*';

describe('a saved answer', () => {
  it('is cut out of its Markdown by code points', () => {
    const answer = readAnswer(saved)!;
    expect([...textsOf(answer, MARKDOWN)!]).toEqual([[1, 'Says 😀 é'], [3, 'More']]);
  });

  it.each([
    ['beyond the end', [[0, 8], [10, 99]]], ['overlapping', [[0, 8], [4, 14]]], ['backwards', [[8, 0], [10, 14]]],
    ['not whole', [[0, 8.5], [10, 14]]], ['negative', [[-1, 8], [10, 14]]]
  ])('with a range %s is not cut: the whole Markdown is shown', (_, [first, second]) => {
    const blocks = [{ type: 'text', start: first[0], end: first[1] }, { type: 'text', start: second[0], end: second[1] }];
    expect(textsOf(readAnswer({ ...saved, blocks })!, MARKDOWN)).toBeNull();
  });

  it.each([
    'Says 😀 é!\n\nMore\n\n*facts*', 'Says 😀 é\n\nMore and more\n\n*facts*', 'Says 😀 é\n\nMore\n\n*facts*\n\nA word of mine.',
    'Says 😀 é\n\nMore, *facts*'
  ])('whose Markdown was edited by hand is shown as that: %j', markdown => expect(textsOf(readAnswer(saved)!, markdown)).toBeNull());

  it('has notices, sources and facts beside its texts', () => {
    const blocks = [{ type: 'notice', level: 'info', text: 'x' }, { type: 'text', start: 5, end: 6 }, { type: 'text', start: 6, end: 6 }, { type: 'text', start: 13, end: 14 }];
    const markdown = '*x*\n\nA\n\n*y*\n\nB\n```\n\n*Unfinished*\n\n- [1] a\n- [2] b\n\n*facts*';
    expect([...textsOf(readAnswer({ ...saved, blocks })!, markdown)!.values()]).toEqual(['A', '', 'B']);
  });

  it('has its label above and its facts below', () => {
    const markdown = '**Claude**\n\nA\n\n*y*\n\n- [1] a\n\n*facts*';
    const answer = readAnswer({ ...saved, blocks: [{ type: 'text', start: 12, end: 13 }] })!;
    expect([...textsOf(answer, markdown)!.values()]).toEqual(['A']);
    expect(textsOf(answer, markdown.replace('*facts', 'And *facts'))).toBeNull();
  });

  it.each([
    ['a newer version', { ...saved, version: 2 }], ['no id', { ...saved, id: undefined }], ['cut', { version: 1, id: 'a' }],
    ['text', 'text'], ['null', null], ['a list', [saved]]
  ])('that is %s is left to its Markdown', (_, data) => expect(readAnswer(data)).toBeNull());

  it('survives wrong types in every field', () => {
    for (const key of Object.keys(saved).filter(k => !['version', 'id', 'blocks'].includes(k))) {
      for (const value of [null, 7, 'x', [], {}, [[]], NaN]) {
        expect(readAnswer({ ...saved, [key]: value }), `${key}=${String(value)}`).not.toBeNull();
      }
    }
    const block = readAnswer({ ...saved, blocks: [{ type: 'tool', name: 5, input: '<img>', error: {} }] })!.blocks[0];
    expect(block).toMatchObject({ type: 'tool', name: '', error: null });
  });

  it.each(['https://x.example/t.png', 'data:image/svg+xml;base64,AA==', 'javascript:alert(1)', 'data:image/png;base64,A" onerror="x'])(
    'never loads %s as a thumbnail', thumbnail => {
      expect(readAnswer({ ...saved, attachments: [{ ...saved.attachments[0], thumbnail }] })!.attachments[0].thumbnail).toBeNull();
    }
  );
});

describe('live messages', () => {
  it('hold operations, and the short form of an addition', () => {
    expect(readOps({ ops: [[1, 5, 'text'], { op: 'add', b: 0, at: 0, text: 'x' }, { op: 'status', text: 'Thinking' }] })).toEqual([
      { op: 'add', b: 1, at: 5, text: 'text' },
      { op: 'add', b: 0, at: 0, text: 'x' },
      { op: 'status', text: 'Thinking', until: null }
    ]);
  });

  it('are read as far as they can be', () => {
    expect(readOps({ ops: [['a', 1, 'x'], { op: 'put', b: 0, block: { type: 'hologram' } }, { op: 'later' }, 5, null, [0, 0, 'ok']] })).toEqual([
      { op: 'put', b: 0, block: { type: 'unknown', data: { type: 'hologram' } } },
      { op: 'add', b: 0, at: 0, text: 'ok' }
    ]);
    expect([null, 5, {}, { ops: 'x' }].map(readOps)).toEqual([[], [], [], []]);
  });
});

describe('joinTexts', () => {
  it('does as Python does', () => {
    expect(joinTexts(['\na\n', '\nb\n', '', '\n\n', 'c'])).toBe('\na\n\n\nb\n\nc');
    expect(joinTexts([])).toBe('');
  });
});
