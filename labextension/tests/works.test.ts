/** What the page reads of Claude's works, and the lines that it makes of it. */

import { describe, expect, it } from 'vitest';
import { effectsIn, originOf, readWorks, skipping, undoLine } from '../src/work/works';

describe('works', () => {
  it('reads what waits, and passes over what is no step', () => {
    const { waiting, gone, undo } = readWorks({
      waiting: [{ work: 'w', step: 1, source: 'a = 1', line: 'adds a', after: 'c1', cell: null }, { step: 2 }, null],
      gone: ['c2', 3],
      undo: null
    });
    expect(waiting).toMatchObject([{ work: 'w', step: 1, chat: 'main', automatic: false, cell: null, replaces: '' }]);
    expect(gone).toEqual(['c2']);
    expect(undo).toBeNull();
    expect(readWorks('nothing')).toEqual({ waiting: [], gone: [], undo: null });
  });

  it('marks effects that are more than reading and adding', () => {
    const strong = effectsIn('reads summer · reads file a.csv · adds wet · writes wet_days.csv').filter(part => part.strong);
    expect(strong.map(({ text }) => text)).toEqual(['reads file a.csv', 'writes wet_days.csv']);
    expect(effectsIn('changes nothing')).toEqual([{ text: 'changes nothing', strong: false }]);
  });

  it('answers a proposal in its own chat', () => {
    expect(skipping('main')).toBe('%claude Skip this step.');
    expect(skipping('left')).toBe('%claude -c left Skip this step.');
  });

  it('says what undo takes back and what it cannot', () => {
    expect(undoLine({ cell: 'c', names: ['summer', 'by_year'], cells: 2, lost: ['wet_days.csv'] })).toBe(
      'undoes summer, by_year and 2 cells · cannot undo: wet_days.csv'
    );
  });

  it('finds a step by its metadata', () => {
    expect(originOf({ work: 'w', step: 2, line: 'adds a' })).toEqual({ work: 'w', step: 2, line: 'adds a' });
    expect(originOf({ work: 'w' })).toBeNull();
  });
});
