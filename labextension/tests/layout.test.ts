import { describe, expect, it } from 'vitest';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { tellLayout } from '../src/layout';

type Metadata = { claude_jupyter?: { cells: string[] } } | undefined;

/** What goes along with an execution of `code` in a notebook of two cells. */
function told(code: string, metadata?: object): Metadata {
  const sent: Metadata[] = [];
  const kernel = { requestExecute: (...[, , more]: [object, boolean, Metadata]) => sent.push(more) };
  const panel = {
    isDisposed: false,
    content: { widgets: [{ model: { id: 'a' } }, { model: { id: 'b' } }] },
    context: { path: 'a.ipynb' }
  };
  tellLayout(kernel as unknown as Kernel.IKernelConnection, panel as unknown as NotebookPanel);
  kernel.requestExecute({ code }, true, metadata as Metadata);
  return sent[0];
}

describe('the order of the cells', () => {
  it('goes along with what may ask something, and with nothing else', () => {
    expect(told('%%claude\nWhy?')?.claude_jupyter?.cells).toEqual(['a', 'b']);
    expect(told('1 + 1', { deletedCells: [] })?.claude_jupyter).toBeUndefined();
  });

  it('goes along where cells were deleted, because the deletion may have been undone', () => {
    expect(told('1 + 1', { deletedCells: ['a'] })?.claude_jupyter?.cells).toEqual(['a', 'b']);
  });
});
