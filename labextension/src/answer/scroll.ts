/** Follow a growing answer, but only while its end is in sight: whoever reads further up is left alone. */

const LOOK_AGAIN = 1000; // ms: the page may have been rearranged

export class Follower {
  private scroller: HTMLElement | null = null;
  private looked = -Infinity;
  private following = false;
  private top = 0;

  constructor(private readonly node: HTMLElement) {}

  /** Before something is drawn: is the end in sight? */
  before(): void {
    this.find();
    if (!this.scroller) {
      return;
    }
    const end = this.node.getBoundingClientRect().bottom;
    const view = this.scroller.getBoundingClientRect();
    const up = this.following && this.scroller.scrollTop < this.top - 2; // by the reader, since we last followed
    this.following = end > view.top && end <= view.bottom + 24 && !up;
  }

  after(): void {
    if (!this.following || !this.scroller) {
      return;
    }
    const hidden = this.node.getBoundingClientRect().bottom - this.scroller.getBoundingClientRect().bottom + 8;
    if (hidden > 0) {
      this.scroller.scrollTop += hidden;
    }
    this.top = this.scroller.scrollTop;
  }

  private find(): void {
    const now = performance.now();
    if (now - this.looked > LOOK_AGAIN || !this.scroller?.isConnected) {
      this.looked = now;
      this.scroller = scrollerOf(this.node);
      this.following = this.following && this.scroller !== null;
    }
  }
}

function scrollerOf(node: HTMLElement): HTMLElement | null {
  for (let up = node.parentElement; up; up = up.parentElement) {
    if (up.scrollHeight > up.clientHeight + 1 && /auto|scroll|overlay/.test(getComputedStyle(up).overflowY)) {
      return up;
    }
  }
  return null;
}
