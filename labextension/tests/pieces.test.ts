/** What becomes of a prompt's text where its cell is split or merged with another. */
import { describe, expect, it } from 'vitest';
import { underMagic, withOneMagic } from '../src/cells/pieces';

describe('a piece of a prompt that was split', () => {
  it('gets the line of the first', () => {
    expect(underMagic('# Sales\n%%claude sales -m opus\nOne.', 'Two.')).toBe('%%claude sales -m opus\nTwo.');
  });
  it('does not begin the conversation anew', () => {
    expect(underMagic('%%claude -n sales --new\nOne.', 'Two.')).toBe('%%claude sales\nTwo.');
  });
  it('stays as it is where it was no prompt', () => {
    expect(underMagic('x = 1', 'y = 2')).toBe('y = 2');
  });
});

describe('prompts that were merged', () => {
  it('have one line with the values of all', () => {
    expect(withOneMagic('%%claude sales\nOne.\n\n%%claude sales costs\nTwo.')).toBe('%%claude sales costs\nOne.\n\nTwo.');
  });
  it('leave options of the later ones behind', () => {
    expect(withOneMagic('%%claude\nOne.\n\n%%claude -m opus df\nTwo.')).toBe('%%claude\nOne.\n\nTwo.');
  });
  it('keep what stands in fenced code, and what is no prompt', () => {
    const fenced = '%%claude\nExplain:\n```\n%%claude x\n```\nThanks.';
    expect(withOneMagic(fenced)).toBe(fenced);
    expect(withOneMagic('x = 1\n\n%%claude\nOne.')).toBe('x = 1\n\n%%claude\nOne.');
  });
});
