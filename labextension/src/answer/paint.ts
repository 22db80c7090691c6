/** When to paint: with the browser's frames, at most 20 times a second, in slices that leave the page responsive; first and last words at once. */

export interface Paintable {
  /** Paint until `deadline` (performance.now()); true if something is left. */
  paint(deadline: number): boolean | Promise<boolean>;
}

const FASTEST = 48; // ms between paints: 20 a second, less the jitter of frames
const SLOWEST = 160;
/** A slow page is painted more rarely, so that painting takes no more than this part of its time. */
const SHARE = 0.1;
const SLICE = 10; // ms of a frame
const HIDDEN = 250; // ms: a page in the background gets no frames

export class Painter {
  private dirty = new Set<Paintable>();
  private last = -Infinity;
  private interval = FASTEST;
  private cost = 0;
  private backlog = false;
  private now = false;
  private waiting = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `now`: before the next frame, however long ago the last paint was: the first and the last words must not wait. */
  request(item: Paintable, now = false): void {
    this.dirty.add(item);
    if (now) {
      this.now = true;
      if (this.timer !== undefined && !document.hidden) {
        clearTimeout(this.timer);
        this.timer = undefined;
        this.waiting = false;
      }
    }
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
    const wait = this.backlog ? 0 : this.last + this.interval - performance.now();
    if (document.hidden) {
      this.timer = setTimeout(() => void this.frame(), HIDDEN);
    } else if (this.now) {
      queueMicrotask(() => void this.frame());
    } else if (wait > 16) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        requestAnimationFrame(() => void this.frame());
      }, wait - 16);
    } else {
      requestAnimationFrame(() => void this.frame());
    }
  }

  private async frame(): Promise<void> {
    this.timer = undefined;
    this.last = performance.now();
    const deadline = this.last + SLICE;
    this.backlog = this.now = false;
    for (const item of [...this.dirty]) {
      this.dirty.delete(item);
      try {
        if (performance.now() > deadline || (await item.paint(deadline))) {
          this.dirty.add(item);
          this.backlog = true;
        }
      } catch (error) {
        console.error('claude-jupyter: an answer could not be drawn', error); // the others continue
      }
    }
    this.waiting = false;
    this.measure(this.last);
    this.schedule();
  }

  /** What a paint costs the page, layout and drawing by the browser included: the next task comes after them. */
  private measure(began: number): void {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      this.cost += (performance.now() - began - this.cost) / 4;
      this.interval = Math.min(Math.max(this.cost / SHARE, FASTEST), SLOWEST);
      port1.close();
    };
    port2.postMessage(null);
  }
}
