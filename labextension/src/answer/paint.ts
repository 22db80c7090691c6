/** When to paint: with the browser's frames, at most 20 times a second, in slices that leave the page responsive. */

export interface Paintable {
  /** Paint until `deadline` (performance.now()); true if something is left. */
  paint(deadline: number): boolean | Promise<boolean>;
}

const INTERVAL = 48; // ms: 20 a second, less the jitter of frames
const SLICE = 10; // ms of a frame
const HIDDEN = 250; // ms: a page in the background gets no frames

export class Painter {
  private dirty = new Set<Paintable>();
  private last = -Infinity;
  private backlog = false;
  private waiting = false;

  request(item: Paintable): void {
    this.dirty.add(item);
    this.schedule();
  }

  forget(item: Paintable): void {
    this.dirty.delete(item);
  }

  private schedule(): void {
    if (this.waiting || this.dirty.size === 0) {
      return;
    }
    this.waiting = true;
    const wait = this.backlog ? 0 : this.last + INTERVAL - performance.now();
    if (document.hidden) {
      setTimeout(() => void this.frame(), HIDDEN);
    } else if (wait > 16) {
      setTimeout(() => requestAnimationFrame(() => void this.frame()), wait - 16);
    } else {
      requestAnimationFrame(() => void this.frame());
    }
  }

  private async frame(): Promise<void> {
    this.last = performance.now();
    const deadline = this.last + SLICE;
    this.backlog = false;
    for (const item of [...this.dirty]) {
      this.dirty.delete(item);
      if (performance.now() > deadline || (await item.paint(deadline))) {
        this.dirty.add(item);
        this.backlog = true;
      }
    }
    this.waiting = false;
    this.schedule();
  }
}
