/**
 * An answer that was arriving when the page was reloaded: nothing of it reaches this page before it ends, but the kernel still works
 * on it and can be stopped. A kernel that is busy says nothing, not even what it is: that is how it is recognized.
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import type { Stop } from '../answer/services';

const SILENCE = 700; // ms without a word, of a kernel that is connected
const GRACE = 3000; // ms after it is free: the finished answer may be on its way

export class Pending implements IDisposable {
  private kernel: Kernel.IKernelConnection | null = null;
  isDisposed = false;

  /** `begin` is called where the kernel is at work, `over` when it has ended that. */
  constructor(
    private readonly panel: NotebookPanel,
    private readonly begin: (stop: Stop) => void,
    private readonly over: () => void
  ) {
    panel.sessionContext.connectionStatusChanged.connect(this.look, this);
    this.look();
  }

  dispose(): void {
    this.isDisposed = true;
    this.panel.sessionContext.connectionStatusChanged.disconnect(this.look, this);
  }

  private look(): void {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (!kernel || kernel === this.kernel || kernel.connectionStatus !== 'connected') {
      return;
    }
    this.kernel = kernel;
    let begun = false;
    const timer = setTimeout(() => {
      if (!this.isDisposed && (kernel.status === 'unknown' || kernel.status === 'busy')) {
        begun = true;
        this.begin({ hint: 'Interrupt the kernel; what has arrived is kept', run: () => void kernel.interrupt() });
      }
    }, SILENCE);
    void kernel.info.then(() => {
      clearTimeout(timer);
      setTimeout(() => {
        if (begun && !this.isDisposed) {
          this.over();
        }
        this.dispose();
      }, GRACE);
    });
  }
}
