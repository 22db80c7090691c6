// @vitest-environment jsdom
/** Answers as `claude_jupyter/answer/codec.py` writes them (`tests/unit/test_codec.py` holds the file to that), read and drawn here. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AnswerView } from '../src/answer/view';
import { KINDS, LEVELS, MIME, VERSION, readAnswer, readBlock, textsOf, type Answer } from '../src/protocol';
import { LOST, snapshotOf } from '../src/snapshot';
import { services } from '../src/widget/services';

vi.stubGlobal('ResizeObserver', class { observe(): void {} disconnect(): void {} });

const PATH = join(dirname(fileURLToPath(import.meta.url)), '../../tests/fixtures/answers.json');
const written: any = JSON.parse(readFileSync(PATH, 'utf-8'));
const output = (name: string): any => written.outputs[name];
const answerIn = (name: string): Answer => readAnswer(output(name)[MIME])!;
const textsIn = (name: string): Map<number, string> => textsOf(answerIn(name), output(name)['text/markdown'])!;

afterEach(() => document.body.replaceChildren());

async function drawn(name: string): Promise<HTMLElement> {
  const view = new AnswerView(document.body.appendChild(document.createElement('div')), services);
  view.show(answerIn(name), textsIn(name));
  await view.whenPainted();
  return view.node;
}

describe('what the kernel writes', () => {
  it('has the same names here', () => {
    expect(written).toMatchObject({ mime: MIME, version: VERSION, levels: LEVELS });
    expect(Object.keys(written.kinds)).toEqual([...KINDS.keys()]);
  });

  it('is read to the last field', () => {
    const read: any = answerIn('every field');
    const data = output('every field')[MIME];
    for (const [name, value] of Object.entries(data)) {
      if (!['version', 'blocks', 'usage', 'usage_details', 'cost_details', 'attachments'].includes(name)) {
        expect(read[name], name).toEqual(value);
      }
    }
    expect(data.usage).toMatchObject(read.usage);
    expect(read.attachments).toMatchObject(data.attachments);
    expect(read).toMatchObject({ billed: false, once: true, starts: true });
  });

  it('holds only kinds and levels that are known', () => {
    const { blocks } = answerIn('every field');
    expect(blocks.map(block => block.type)).not.toContain('unknown');
    expect(blocks.flatMap(block => (block.type === 'notice' ? [block.level] : []))).toEqual(LEVELS);
  });

  it('is drawn with each notice in its own colour', async () => {
    const node = await drawn('every field');
    expect([...node.querySelectorAll('.cj-notice')].map(item => item.className)).toEqual(LEVELS.map(level => `cj-notice cj-${level}`));
  });

  it('is billed, whole and without extras by default', () => {
    expect(answerIn('defaults')).toMatchObject({ billed: true, once: false, starts: false, saved: null, rewritten: 0, cost: null, blocks: [] });
  });

  it('arrives with its texts in their blocks', () => {
    const live = readAnswer(written.live)!;
    expect(live.blocks.map(block => block.type)).toEqual(answerIn('every field').blocks.map(block => block.type));
    expect(live).toMatchObject({ once: true, starts: true, billed: false, complete: false });
  });
});

describe('blocks of a newer version', () => {
  it('are passed over, and the rest is drawn as without them', async () => {
    const [newer, plain] = [await drawn('blocks of a newer version'), await drawn('every field')];
    expect(answerIn('blocks of a newer version').blocks.filter(block => block.type === 'unknown')).toHaveLength(2);
    expect(newer.textContent).toBe(plain.textContent);
  });

  it('named like something of JavaScript are unknown too', () => {
    const read = readAnswer({ version: 1, id: 'a', blocks: [{ type: 'constructor' }, { type: '__proto__' }, 5, null] })!;
    expect(read.blocks.map(block => block.type)).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
  });

  it('are kept in what the page saves', () => {
    const answer = answerIn('blocks of a newer version');
    const texts = textsIn('blocks of a newer version');
    const blocks = answer.blocks.map((block, b) => (block.type === 'text' ? { type: 'text' as const, text: texts.get(b)! } : block));
    const { data } = snapshotOf(answer, { blocks, usage: answer.usage, cost: null, seconds: 1 }, LOST);
    const saved: any = data[MIME];
    expect(saved.blocks[0]).toEqual({ type: 'hologram', shape: 'cube' });
    expect(saved).toMatchObject({ once: true, starts: true });
    expect(saved).not.toHaveProperty('billed');
    expect(saved.blocks.filter((block: any) => block.type === 'text').map((block: any) => block.length)).toEqual(
      [...texts.values()].map(text => [...text].length)
    );
  });
});

describe('a quote of a document', () => {
  it('stands folded below the text that cites it, with its page or characters', async () => {
    const node = await drawn('every field');
    const quotes = [...node.querySelectorAll<HTMLDetailsElement>('details.cj-quote')];
    expect(quotes.map(item => item.querySelector('summary')!.textContent)).toEqual(['report.pdf, pp. 3–4', 'log.txt, characters 121–124']);
    expect(quotes.map(item => item.querySelector('blockquote')!.textContent)).toEqual(['It was <b>mild</b>.', 'mild']);
    expect(quotes.every(item => !item.open)).toBe(true);
    const texts = [...node.querySelectorAll('.cj-md')];
    expect(texts.at(-1)!.compareDocumentPosition(quotes[0]) & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
  });

  it('is one of the lines that a saved answer has beside its texts', () => {
    expect(textsIn('every field').size).toBe(2);
  });

  it('has no place where its numbers make no sense', () => {
    const citation = (more: object): unknown => readBlock({ type: 'citation', n: 1, title: 't', url: '', cited: 'c', ...more });
    expect(citation({ pages: [3, 1] })).not.toHaveProperty('pages');
    expect(citation({ characters: ['<b>', 2] })).not.toHaveProperty('characters');
    expect(citation({ pages: [2, 2] })).toHaveProperty('pages', [2, 2]);
  });
});
