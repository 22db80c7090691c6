"""What the paint benchmark looks with: texts to stream, a trace of the page's main thread, marks and frames in the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page

UNIT = """{heading}Sales per open store rose by **{n} %**, and with $x_{{{n}}}^2 + y^2 = r_{{{n}}}^2$ the rest follows.
It is not that customers bought less; the *days* were fewer, as `sales.date.nunique()` shows for each of
the stores that were closed in March.

| store | Feb | Mar | open days |
|---|---|---|---|
| {n} | 41,200 | 5,310 | 9 |
| seven | 38,950 | 4,870 | 9 |
| all | 80,150 | 10,180 | 18 |

```python
open_days = sales.groupby(["store", sales.date.dt.month])["date"].nunique()
for store, days in open_days.items():  # part {n}
    assert days < 10, f"{{store}} was open on {{days}} days"
```

The mean is $\\bar{{x}} = \\frac{{1}}{{n}}\\sum_i x_i$, and from there

$$
\\Delta_{{{n}}} = \\int_0^1 \\frac{{a(t)}}{{b(t)}}\\,dt - 1
$$

1. Count the days in the calendar of the store.
2. Compare *per open day*, not per month.

"""


def text_of(size: int) -> str:
    """An answer of so many characters: code, tables, lists and formulas, about three formulas to the KB."""
    units: list[str] = []
    while sum(map(len, units)) < size:
        n = 100 + len(units)
        heading = "" if n % 2 else f"## Part {n}: what the sales of store {n} say\n\n"
        units.append(UNIT.format(n=n, heading=heading))
    return "".join(units)[:size]


# The needle is looked for in what a change brings, never in the whole answer: that would be the benchmark's own load.
WATCH = """needle => {
    window.painted = null;
    const has = node => node.textContent.length < 4000 && node.textContent.includes(needle);
    const observer = new MutationObserver(records => {
        if (records.some(({ target, addedNodes, type }) => type === 'characterData' ? has(target) : [...addedNodes].some(has))) {
            observer.disconnect();
            requestAnimationFrame(() => { const c = new MessageChannel();
                c.port1.onmessage = () => { window.painted = performance.timeOrigin + performance.now(); };
                c.port2.postMessage(0); });
        }
    });
    observer.observe(document.querySelector('.jp-Notebook'), { subtree: true, childList: true, characterData: true });
}"""

SCROLL = """() => {
    const scroller = document.querySelector('.jp-WindowedPanel-outer');
    window.frameTimes = [];
    window.scrolling = true;
    let way = -1;
    const step = now => {
        frameTimes.push(now);
        const { scrollTop, scrollHeight, clientHeight } = scroller;
        if (scrollTop <= 0) way = 1;
        if (scrollTop >= scrollHeight - clientHeight - 200) way = -1;
        scroller.scrollTop = scrollTop + 24 * way;
        if (window.scrolling) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
}"""


@dataclass
class Trace:
    """The tasks of a page's main thread: (begin, wall, CPU) in seconds."""

    tasks: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])

    @property
    def wall(self) -> float:
        return sum(task[1] for task in self.tasks)

    @property
    def cpu(self) -> float:
        return sum(task[2] for task in self.tasks)

    def longest(self) -> tuple[float, float]:
        """Milliseconds of the task that takes most CPU: (wall, CPU)."""
        _, wall, cpu = max(self.tasks, key=lambda task: task[2], default=(0.0, 0.0, 0.0))
        return 1000 * wall, 1000 * cpu

    def over(self, limit: float) -> tuple[int, int]:
        """How many tasks are over `limit` seconds, in wall and in CPU time."""
        return sum(task[1] > limit for task in self.tasks), sum(task[2] > limit for task in self.tasks)

    @property
    def worst_wall(self) -> float:
        """Milliseconds of the task that takes longest on the wall clock (a shared machine takes its part)."""
        return 1000 * max((task[1] for task in self.tasks), default=0.0)


@contextmanager
def traced(browser: Browser, page: Page, keep: str | None = None) -> Iterator[Trace]:
    """Trace the page's main thread; the tasks are there when the block has ended."""
    trace = Trace()
    categories = ["toplevel", "-*"] if keep is None else ["toplevel", "devtools.timeline", "-*"]
    browser.start_tracing(page=page, categories=categories)
    try:
        yield trace
    finally:
        told = browser.stop_tracing()
        if keep is not None:
            Path(keep).write_bytes(told)
        trace.tasks.extend(_tasks(json.loads(told)["traceEvents"]))


def _tasks(events: list[dict[str, object]]) -> list[tuple[float, float, float]]:
    main = {
        (e["pid"], e["tid"])
        for e in events
        if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"  # type: ignore[index]
    }
    threads: dict[object, list[tuple[float, float, float]]] = {}
    for e in events:
        if (
            e.get("name") == "ThreadControllerImpl::RunTask"
            and (e["pid"], e["tid"]) in main
            and e.get("ph") == "X"
        ):
            task = (float(e["ts"]) / 1e6, float(e["dur"]) / 1e6, float(e.get("tdur", 0)) / 1e6)  # type: ignore[arg-type]
            threads.setdefault((e["pid"], e["tid"]), []).append(task)
    return max(threads.values(), key=lambda tasks: sum(task[1] for task in tasks), default=[])
