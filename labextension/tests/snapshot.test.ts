import { describe, expect, it } from 'vitest';
import { readAnswer, textsOf, type Block } from '../src/protocol';
import { seal, Sealer, unseal } from '../src/seal';
import { isUnfinished, LOST, snapshotOf, UNFINISHED } from '../src/snapshot';
import { MIME } from '../src/protocol';

const answer = readAnswer({ version: 1, id: 'a', model: 'claude-sonnet-5-5', blocks: [] })!;
const usage = { input: 9, output: 3, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0 };
const snap = (blocks: Block[], notice = UNFINISHED) => snapshotOf(answer, { blocks, usage, cost: '0.0113', seconds: 4.2 }, notice);

describe('an answer that is still arriving, as it is saved', () => {
  it('is an answer in the saved shape, whose texts are cut out of its Markdown', () => {
    const { data, metadata } = snap([
      { type: 'thinking', text: 'Hm.', seconds: 1 },
      { type: 'text', text: 'A 🎈 is *light*.\n' },
      { type: 'notice', level: 'info', text: 'Searching' },
      { type: 'text', text: '\nAnd `List<T>` is not.' }
    ]);
    const read = readAnswer(data[MIME])!;
    expect(read).toMatchObject({ id: 'a', complete: false, estimated: true, cost: '0.0113', stop_reason: null });
    const markdown = data['text/markdown'] as string;
    const texts = [...textsOf(read, markdown)!.values()];
    expect(texts.map(unseal)).toEqual(['A 🎈 is *light*.\n', '\nAnd `List<T>` is not.']);
    expect(markdown).toMatch(/Unfinished: this is what had arrived .*claude-sonnet-5-5 · \d{4}-\d\d-\d\d · ≥ \$0\.0113\*$/s);
    expect(data['text/plain']).toBe('A 🎈 is *light*.\n\n\nAnd `List<T>` is not.');
    expect(isUnfinished(metadata)).toBe(true);
  });

  it('closes a fence that is open, so that the line of facts is not code', () => {
    const markdown = snap([{ type: 'text', text: 'So:\n\n```python\nx = 1' }]).data['text/markdown'] as string;
    expect(markdown).toContain('x = 1\n```\n\n*Unfinished');
    expect(new Sealer().update('~~~\na\n~~~\nb').fence).toBe('');
    expect(new Sealer().update('- ```js\n  a').fence).toBe('```');
  });

  it('grows line by line into the same', () => {
    const text = 'A 🎈 [a](https://e.example)\n\n```js\nx<b>[1](2)\n``` \n<img\nsrc=x>\r\n]';
    const sealer = new Sealer();
    for (let end = 1; end <= text.length; end++) {
      const { sealed, points } = sealer.update(text.slice(0, end));
      expect(sealed).toBe(seal(text.slice(0, end)));
      expect(points).toBe([...sealed].length);
    }
  });

  it('says so when the kernel is gone', () => {
    const { data, metadata } = snap([{ type: 'text', text: 'Some' }], LOST);
    expect(isUnfinished(metadata)).toBe(false);
    expect(readAnswer(data[MIME])).toMatchObject({ complete: false, stop_reason: 'stopped' });
    expect(data['text/markdown']).toContain('The kernel ended before the answer did');
  });

  it('leaves ordinary text as it is and parts what could run, load or lead away', () => {
    const plain = 'a < b, x<-3, 5 <6, $x_i^2$, arr[0], | a | b |\n```python\nif a<3: pass\n```\n';
    expect(seal(plain)).toBe(plain);
    const bad = '<img src=x> ![a](https://e.example/x) [r]: javascript:x \\href{javascript:x}{y} www.e.example';
    expect(seal(bad)).not.toMatch(/<img|!\[|\]\(|\]:|:\/\/|\\href|www\./);
    expect(unseal(seal(bad))).toBe(bad);
    expect(seal('```mermaid\nx')).not.toMatch(/^```mermaid$/m);
    expect(seal('```a$" onclick="x//$\nx')).not.toMatch(/["$]/);
  });
});
