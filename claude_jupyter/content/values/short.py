"""Any value → one line of at most this many characters: a cell, a local variable, an element of a list.

Known kinds are written out here; other people's `repr` is called under guard, and only for a value that is not one of them.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from claude_jupyter.content.guard import guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.text.fence import clip
from claude_jupyter.encodable import encodable, encodable_repr

LOOK_AHEAD: Final = 4000
ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+| id='\d+'")
PLAIN_LIBRARIES: Final = frozenset({"datetime", "decimal", "fractions", "uuid", "pathlib", "ipaddress"})
EXACT_WIDTH: Final = 80
"""A number or date is shown whole in the narrowest column, up to this many characters."""
SLACK: Final = 40
"""A container may be so much longer than the width, so that its first number and how many follow are whole."""
_DEPTH: Final = 4

Redact = Callable[[str], str]


def cell(value: Any, width: int, redact: Redact) -> str:
    """A dataframe's cell: text without quotes, bytes as their length; one line, `|` escaped. Numbers and dates are never cut."""
    if isinstance(value, str):
        text = redact(_plain(value))
    elif isinstance(value, bool) or value is None:
        return "null" if value is None else str(value)
    elif isinstance(value, float) and type(value).__module__ == "builtins":
        return number(value)
    else:
        width = max(width, EXACT_WIDTH) if _is_exact(value) else width
        text = line(value, width, redact=redact)
    return clip(text.replace("\n", "\\n").replace("\r", "\\r").replace("|", "\\|"), width)


def _is_exact(value: Any) -> bool:
    """Whether cutting its text would make another value of it: a number, a date, a period of time."""
    if isinstance(value, int | float | complex | Decimal | Fraction | date | time | timedelta):
        return True
    from claude_jupyter.content.kinds import is_library_value

    return is_library_value(value) or any(type_name(kind, short=True) == "generic" for kind in mro(value))


def number(value: float) -> str:
    """The shortest text that gives the float back: `0.1`, `12345678.9`, `1.5e-09`, `NaN`."""
    return "NaN" if value != value else repr(float(value)).removesuffix(".0")


def narrowed(value: Any, code: str) -> Any:
    """A float widened from 16 (`e`) or 32 bits (`f`) as the shortest one that gives those bits back: 0.1, not 0.10000000149."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    bits = struct.pack(code, value)
    for digits in range(3 if code == "e" else 6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack(code, short) == bits:
            return short
    return value


def rounded(value: float) -> str:
    """A derived number: seven significant digits, and at least two decimals, in powers of ten only where it is tiny or huge."""
    if not isinstance(value, float) or not math.isfinite(value) or abs(value) >= 1e15:
        return number(value) if isinstance(value, float) else str(value)
    whole = len(str(int(abs(value))))
    text = f"{value:.{max(7, whole + 2)}g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def unredacted(text: str) -> str:
    """The text itself, for what is not a secret's place."""
    return text


def line(value: Any, width: int, depth: int = 0, redact: Redact = unredacted) -> str:
    """A value on one line, as Python would write it where that is short; never raises, never hangs."""
    kind = type(value)
    if value is None or kind is bool:
        return str(value)
    if kind is str:
        return clip(repr(redact(encodable(_plain(value, width * 4 + 200)))), max(width, 8))
    if kind is int:
        return _integer(value)
    if kind is float:
        return number(value)
    if kind in (bytes, bytearray, memoryview):
        return f"<{len(value):,} bytes>"
    if isinstance(value, list | tuple | set | frozenset | dict) and kind.__module__ in (
        "builtins",
        "collections",
    ):
        return clip(_container(value, width, depth, redact), width + SLACK)
    if is_dataclass(value) and not isinstance(value, type) and kind.__repr__ is not object.__repr__:
        pairs = ((f.name, _attribute(value, f.name)) for f in fields(value) if f.repr)
        return clip(_named(type_name(kind, short=True), pairs, width, depth, redact), width)
    packages = libraries(value)
    if "numpy" in packages:
        return _numpy(value, width, depth, redact)
    if packages & PLAIN_LIBRARIES or "pandas" in packages:
        return clip(redact(_library_scalar(value)), width)
    return own_repr(value, width, redact)


def _plain(text: str, limit: int = LOOK_AHEAD) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _integer(value: int) -> str:
    if value.bit_length() > 4000:
        return f"<int of {value.bit_length():,} bits>"
    return int.__repr__(value)


def _attribute(value: Any, name: str) -> Any:
    return guarded(lambda: getattr(value, name)).value


def _library_scalar(value: Any) -> str:
    from claude_jupyter.content.kinds import shape_of

    shape = shape_of(value)
    if shape is not None:
        return shape
    # The libraries' own classes answer at once; a class derived from them may not.
    ours = root_module(type(value)) in PLAIN_LIBRARIES or root_module(type(value)) == "pandas"
    text = str(value) if ours else guarded(lambda: str(value)).value
    if not isinstance(text, str):
        return f"<{type_name(type(value))}>"
    return ADDRESS.sub("", text[:LOOK_AHEAD]).removesuffix(" 00:00:00")


def _numpy(value: Any, width: int, depth: int, redact: Redact) -> str:
    names = {type_name(kind, short=True) for kind in mro(value)}
    if "generic" in names:
        if value.dtype.kind in "mM" or (value.dtype.kind == "f" and value.dtype.itemsize > 8):
            return str(value).removesuffix(".0").replace("nan", "NaN")  # `item()` makes nanoseconds an int
        if value.dtype.char in "ef":
            return number(narrowed(value.item(), value.dtype.char))
        plain = value.item()
        return (
            line(plain, width, depth, redact) if "numpy" not in libraries(plain) else clip(str(value), width)
        )
    if "MaskedConstant" in names:
        return "masked"
    if "ndarray" not in names:
        return own_repr(value, width, redact)
    if value.ndim == 1 and value.size <= 20 and value.dtype.kind in "biuf":
        return clip("array(" + _container(list(value), width, depth + 1, redact) + ")", width + SLACK)
    return f"<array {'×'.join(map(str, value.shape)) or 'scalar'} {value.dtype}>"


def _container(value: Any, width: int, depth: int, redact: Redact) -> str:
    """A list, tuple, set or dict; what is nested too deep (or in itself) is `…`."""
    if isinstance(value, Mapping):
        left, right = "{", "}"
    else:
        left, right = (
            ("[", "]") if isinstance(value, list) else ("(", ")") if isinstance(value, tuple) else ("{", "}")
        )
    if not value:
        return left + right if left != "{" or isinstance(value, Mapping) else f"{type(value).__name__}()"
    if depth >= _DEPTH:
        return f"{left}…{right}"
    parts: list[str] = []
    used = 0
    for position, element in enumerate(value.items() if isinstance(value, Mapping) else _ordered(value)):
        if isinstance(value, Mapping):
            text = (
                f"{line(element[0], width, depth + 1, redact)}: {line(element[1], width, depth + 1, redact)}"
            )
        else:
            text = line(element, width, depth + 1, redact)
        if (
            parts and used + len(text) > width
        ):  # an element is whole or left out: half a number is another number
            parts.append(f"… {len(value) - position:,} more")
            break
        parts.append(text)
        used += len(text) + 2
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    return left + ", ".join(parts) + comma + right


def _ordered(value: Any) -> Any:
    """The elements; of a set in one order on every run."""
    if isinstance(value, set | frozenset):
        elements: list[Any] = list(value)[:1000]
        return sorted(elements, key=lambda element: line(element, 80, _DEPTH))
    return value


def _named(name: str, pairs: Any, width: int, depth: int, redact: Redact) -> str:
    if depth >= _DEPTH:
        return f"{name}(…)"
    return f"{name}({', '.join(f'{key}={line(value, width, depth + 1, redact)}' for key, value in pairs)})"


def own_repr(value: Any, limit: int, redact: Redact = unredacted) -> str:
    """The value's own `repr` without memory addresses, or a placeholder that says why there is none."""
    outcome = guarded(lambda: repr(value))
    text = outcome.value
    if outcome.failure:
        return f"<{type_name(type(value))}: its repr {outcome.failure}>"
    if not isinstance(text, str):
        return f"<{type_name(type(value))}: its repr is not text>"
    return clip(redact(encodable_repr(ADDRESS.sub("", text[: limit * 2 + LOOK_AHEAD]))), limit)
