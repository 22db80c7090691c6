"""Formats numbers, names and lists for a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

DOUBT: Final = re.compile(
    r"\b(trust|quality|clean|checks|check(?! (?:it|this|that|them)\b)|suspicious|missing|wrong|doubt|outliers?|gaps?|valid|problem)",
    re.IGNORECASE,
)
"""A question about the quality of data; to check *it* is to check what was said."""
_WORD = re.compile(r"[^\W_]+")


def number(text: str) -> float | None:
    """A number out of a profile or a printed line; None for anything else."""
    try:
        value = float(text.replace(",", "").replace("−", "-").strip())
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def brief(value: float) -> str:
    """Three significant digits, whole numbers whole: `5.35`, `1,461`."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(part: float, whole: float) -> str:
    """A share: `57%`, `0.8%`; never rounded to none or all."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f}%" if 1 <= share <= 99 or share in (0, 100) else f"{share:.1f}%"


def counted(count: int, noun: str) -> str:
    """`1 row`, `1,461 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def code(name: str) -> str:
    """A name as a code span that no character of it can end."""
    return f"`{' '.join(name.replace('`', '′').split())}`"


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a`, `b` and `c` as code spans."""
    *most, last = [code(name) for name in names] or [""]
    return f"{', '.join(most)} {word} {last}" if most else last


def words_of(text: str) -> set[str]:
    """The words of a text in lower case, `temp_max` as `temp` and `max`."""
    return {word.lower() for word in _WORD.findall(text)}


def named_in(name: str, prompt: str) -> bool:
    """Whether a question speaks of a column or series of this name."""
    lower = prompt.lower()
    if re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", lower):
        return True
    parts = {w for w in words_of(name) if len(w) > 3}
    return bool(parts) and parts <= words_of(prompt)
