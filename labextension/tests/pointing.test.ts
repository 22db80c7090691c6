import { describe, expect, it } from 'vitest';
import { askAbout, explain, fix, LOAD, pointersIn, portable, referenceTo, resume } from '../src/cells/pointing';

const ID = '3f2a9c1e-5f0a-4d4b-9a51-0c5d8e7b6a21';

describe('a reference to a cell', () => {
  it('is the shortest beginning of its id that is its own', () => {
    expect(referenceTo(ID, [ID, '77777777-0000'])).toBe('3f2a9c1e');
    expect(referenceTo(ID, [ID, '3f2a9c1e-5f0b-4d4b'])).toBe('3f2a9c1e-5f0a');
    expect(referenceTo('short', ['short'])).toBe('short');
  });

  it('is no execution count', () => {
    expect(referenceTo('12345678-9abc-4d4b', [])).toBe('12345678-9');
  });
});

describe('a button points, and pastes nothing', () => {
  it('where the extension is loaded', () => {
    expect(askAbout('3f2a9c1e', true)).toEqual({ source: '%%claude --cell 3f2a9c1e\n', caret: 25 });
    expect(explain('3f2a9c1e', 2, 'image', true).source).toBe('%%claude --cell 3f2a9c1e:2\nExplain this picture.');
    expect(explain('3f2a9c1e', 1, 'value', true).source).toBe('%%claude --cell 3f2a9c1e:1\nExplain this output.');
    expect(fix('3f2a9c1e', true).source).toBe('%claude_fix --cell 3f2a9c1e');
    expect(resume('main', true).source).toBe('claude.resume()');
    expect(resume('side "b"', true).source).toBe('claude.resume(chat="side \\"b\\"")');
  });

  it('and where it is not: the cell loads it first', () => {
    expect(askAbout('3f2a9c1e', false).source).toBe(`${LOAD}\n%%claude --cell 3f2a9c1e\n`);
    expect(explain('3f2a9c1e', 2, 'image', false).source).toBe(`${LOAD}\n%claude --cell 3f2a9c1e:2 Explain this picture.`);
    expect(fix('3f2a9c1e', false).source).toBe(`${LOAD}\n%claude_fix --cell 3f2a9c1e`);
  });
});

describe('what a cell that asks points at', () => {
  it.each([
    ['%%claude --cell 7:2 -m opus\nWhy?', [{ cell: '7', output: 2 }]],
    ['%%claude --cell=[7]\nWhy?', [{ cell: '7', output: null }]],
    ['%claude --cell 3f2a9c1e-5f0a Why?', [{ cell: '3f2a9c1e-5f0a', output: null }]],
    ['claude.ask("Why?", cell="3f2a9c1e:1")', [{ cell: '3f2a9c1e', output: 1 }]],
    ['claude.ask("Why?", cell=7)', [{ cell: '7', output: null }]]
  ])('%j', (source, references) => expect(pointersIn(source)).toMatchObject({ references, points: true, error: false }));

  it.each(['%claude_fix', '%claude_fix -m opus keep it', '%%claude -e\nWhy?', '%%claude df --error\nWhy?'])('the last error: %j', source =>
    expect(pointersIn(source)).toMatchObject({ error: true, points: true })
  );

  it('nothing', () => {
    expect(pointersIn('x = 1')).toBeNull();
    expect(pointersIn('%%claude df\nWhat about --cell-width and my-e?')).toMatchObject({ references: [], points: false });
  });

  it('and whether it loads the extension and asks at once', () => {
    expect(pointersIn(`${LOAD}\n%%claude --cell 7\nWhy?`)).toMatchObject({ loads: true });
    expect(pointersIn(`\n${LOAD}\n# about it\n\n%%claude\nWhy?`)).toMatchObject({ loads: true });
    expect(pointersIn(`${LOAD}\n%claude --cell 7 Why`)).toMatchObject({ loads: false });
  });
});

describe('a cell that loads and asks', () => {
  it('asks in one line where the question is a paragraph', () => {
    expect(portable(`${LOAD}\n%%claude --cell 7\nWhy is it so?\nAnd since when?\n`)).toBe(`${LOAD}\n%claude --cell 7 Why is it so? And since when?`);
    expect(portable(`${LOAD}\n# about it\n%%claude df\nWhy?`)).toBe(`${LOAD}\n# about it\n%claude df Why?`);
  });

  it.each([
    `${LOAD}\n%%claude --cell 7\n`,
    `${LOAD}\n%%claude --cell 7\nTwo:\n- one\n- two`,
    `${LOAD}\n%%claude\nWhy?\n\nAnd how?`,
    `${LOAD}\n%%claude\n\`\`\`\nx\n\`\`\``,
    '%%claude --cell 7\nWhy?',
    `${LOAD}\n%claude --cell 7 Why?`
  ])('or stays as it is: %j', source => expect(portable(source)).toBe(source));
});
