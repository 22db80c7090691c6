"""How the benchmarks print: one line a figure, with what it is compared with, and the ratio where there is one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def title(text: str) -> None:
    """Head of a group of figures."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def figure(
    what: str, value: float, unit: str, *, limit: float | None = None, of: float | None = None
) -> None:
    """One figure; with `of` the ratio to it, with `limit` what it should not exceed (told, not enforced)."""
    ratio = f"  = {value / of:.2f} x" if of else ""
    compared = value / of if of else value
    verdict = "" if limit is None else f"  ({'within' if compared <= limit else 'ABOVE'} {limit:g})"
    print(f"{what:<62} {value:>12,.3f} {unit}{ratio}{verdict}", flush=True)


def median(values: Sequence[float]) -> float:
    """The median, which one slow run does not move."""
    return statistics.median(values)
