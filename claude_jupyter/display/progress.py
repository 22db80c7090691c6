"""The progress of `claude.map`: one line that is redrawn; in notebooks an output with a bar, in a terminal tqdm's."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from typing import Any, Final

_EVERY: Final = 0.25
"""Seconds between two drawings."""

Publish = Callable[[dict[str, Any], bool], None]
"""Shows data in the cell, as a new output or (True) in place of the previous one."""


class ProgressLine:
    """A line with a bar in the output of the cell; what stays is the line alone."""

    def __init__(self, publish: Publish, total: int, before: int) -> None:
        self._publish = publish
        self._total = total
        self._before = self._done = before
        self._words = ""
        self._began = time.monotonic()
        self._drawn = 0.0
        self._shown = False

    def set(self, done: int, words: str) -> None:
        """Draw it, if the last time was long enough ago."""
        self._done, self._words = done, words
        now = time.monotonic()
        if now - self._drawn >= _EVERY:
            self._drawn = now
            bar = f'<progress value="{done}" max="{self._total}" style="width: 12em; vertical-align: middle"></progress>'
            self._draw(f"{done:,} of {self._total:,} rows{self._time_left(now)}", bar)

    def close(self) -> None:
        """Replace it with one line that says what was done."""
        if self._shown:
            took = f" in {time.monotonic() - self._began:.0f} s"
            done = f"{self._done:,} of {self._total:,}" if self._done < self._total else f"{self._total:,}"
            self._draw(f"{done} rows{took}", "")

    def _time_left(self, now: float) -> str:
        done = self._done - self._before
        seconds = (self._total - self._done) * (now - self._began) / done if done else 0
        return f" · about {seconds:.0f} s left" if seconds >= 1 else ""

    def _draw(self, text: str, bar: str) -> None:
        line = " · ".join(filter(None, (text, self._words)))
        html = f'<div style="font-variant-numeric: tabular-nums">{bar} {escape(line)}</div>'
        self._publish({"text/html": html, "text/plain": line}, self._shown)
        self._shown = True


class Terminal:
    """tqdm's bar, on stderr."""

    def __init__(self, total: int, before: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, initial=before, unit="row", dynamic_ncols=True, smoothing=0.1)

    def set(self, done: int, words: str) -> None:
        """Draw it where tqdm thinks it is time."""
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the line."""
        self._bar.close()
