"""How many cases hypothesis tries: a stated number every day, always the same ones, and `HYPOTHESIS=full` many times as many, at random.

Also what tests of readers share: any JSON, and a JSON document that somebody has changed somewhere.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FULL = os.environ.get("HYPOTHESIS") == "full"
TIMES = int(os.environ.get("HYPOTHESIS_TIMES", "100" if FULL else "1"))


def cases(count: int) -> Callable[[Any], Any]:
    """Try `count` cases in CI."""
    return settings(
        max_examples=count * TIMES,
        derandomize=not FULL,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=8) | st.sampled_from(
        ["", "text", "NaN", "1e999999999", "user", "assistant", "thinking", "2026-11-22T10:00:00", "\ud800", "a" * 5000]
    )
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(max_size=6), child, max_size=3),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn, document: Any, times: int = 3) -> Any:
    """The document with something taken out, put in or replaced in one to `times` places."""
    copied = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, times))):
        copied = _change(draw, copied)
    return copied


def _change(draw: st.DrawFn, document: Any) -> Any:
    way: list[Any] = []
    at = document
    while isinstance(at, dict | list) and at and not (way and draw(st.integers(0, 3)) == 0):
        keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
        way.append(draw(st.sampled_from(keys)))
        at = at[way[-1]]
    if not way:
        return draw(JSON)
    parent = document
    for key in way[:-1]:
        parent = parent[key]
    match draw(st.integers(0, 4)):
        case 0:
            del parent[way[-1]]
        case 1 if isinstance(parent, list):
            parent.insert(way[-1], copy.deepcopy(draw(st.sampled_from(parent))))
        case 2 if isinstance(at, str):
            cut = draw(st.integers(0, len(at)))
            parent[way[-1]] = at[:cut]
        case _:
            parent[way[-1]] = draw(JSON)
    return document
