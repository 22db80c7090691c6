"""Answers made by hand and sent through the real view, in the kernel of a test: copied beside the notebook, then imported there.

No model, no client: `say` is what `conversation/` does with a view, at a pace that a test can look at.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_jupyter.answer.model import Add, Answer, Attachment, Meter, Part, Put, Status
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.widget import WidgetView

USAGE = Usage(cache_write_5m=3592, cache_read=1936, output=418)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ATTACHED = (
    Attachment("fig", "image", (), "1,600 × 1,000", 2088, (1600, 1000), PIXEL),
    Attachment("sales", "frame", (), "schema + 10 of 48,210 rows", 1480),
)
RICH = """**March falls 18 %**, not because customers bought less. Sales per open store rose by 3 %:

| store | Feb | open days |
|---|---|---|
| 4 | 41,200 | 9 |
| seven | 38,950 | 9 |

1. Count the days in `sales.date`
2. Compare *per open day*:
   - with $x_i^2$

```python
open_days = sales.groupby("store")["date"].nunique()
assert open_days.loc[4] < 10  # closed
```

The mean is $\\bar{x} = \\frac{1}{n}\\sum_i x_i$, and

$$
\\Delta = \\frac{a}{b} - 1
$$

> A quote with a [link](https://example.org/).

The last words."""


def say(
    text: str = RICH,
    *,
    id: str = "by-hand",
    chunk: int = 12,
    pace: float = 0.02,
    blocks: tuple[dict[str, Any], ...] = (),
    attachments: tuple[Attachment, ...] = ATTACHED,
    thinking: str = "",
    hold: float = 0.0,
    until: str = "",
    stopped: list[str] | None = None,
    background: bool = False,
    begun: threading.Event | None = None,
) -> None:
    """Stream `text` into a widget view; an interrupt stops it as a real answer is stopped. `blocks` come after it.

    Where `until` names a file, the end waits (a minute at most) until that is there: however slow a machine, the test saw the rest.
    `begun` is set when the output is there: before, a thread's output could miss the cell that started it.
    """
    answer = Answer(id, model="claude-sonnet-5-5", attachments=attachments)
    on_stop = None if stopped is None else lambda: stopped.append("stop")
    view = WidgetView(display_id=id, publisher=_publisher(), background=background, on_stop=on_stop)
    view.begin(answer)
    if begun is not None:
        begun.set()
    shown: list[dict[str, Any]] = []
    ended = "end_turn"
    try:
        view.show([Status("Thinking")])
        if thinking:
            shown.append({"type": "thinking", "text": thinking, "seconds": 4.0})
            view.show([Put(0, shown[0])])
        time.sleep(5 * pace)
        at = len(shown)
        shown.append({"type": "text", "text": ""})
        view.show([Put(at, {"type": "text", "text": ""})])
        for start in range(0, len(text), chunk):
            part = text[start : start + chunk]
            shown[at]["text"] += part
            parts: list[Part] = [Add(at, part), Meter(Usage(input=5528, output=start // 4), _cost("0.0113"))]
            view.show(parts)
            time.sleep(pace)
        for block in blocks:
            shown.append(block)
            view.show([Put(len(shown) - 1, block)])
        time.sleep(hold)
        for _ in range(600 if until else 0):
            if Path(until).exists():
                break
            time.sleep(0.1)
    except KeyboardInterrupt:
        ended = "stopped"
        shown.append({"type": "notice", "level": "stopped", "text": "Stopped. What arrived is kept."})
    view.end(
        replace(
            answer,
            blocks=tuple(shown),
            complete=ended == "end_turn",
            estimated=ended != "end_turn",
            stop_reason=ended,
            seconds=9.1,
            usage=USAGE,
            cost=_cost("0.0134"),
        )
    )


def _cost(usd: str) -> Cost:
    return Cost({"output": Decimal(usd)})


def _publisher() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython().display_pub  # pyright: ignore[reportOptionalMemberAccess]
