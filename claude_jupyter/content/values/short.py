"""Any value → one line of at most so many characters: a cell, a local variable, an element of a list.

Known kinds are written out here; other people's `repr` is called under guard, and only for a value that is not one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from claude_jupyter.content.fence import clip
from claude_jupyter.content.guard import guarded, libraries, mro, root_module, type_name

LOOK_AHEAD: Final = 4000
ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+| id='\d+'")
PLAIN_LIBRARIES: Final = frozenset({"datetime", "decimal", "fractions", "uuid", "pathlib", "ipaddress"})
_DEPTH: Final = 4

Redact = Callable[[str], str]


def cell(value: Any, width: int, redact: Redact) -> str:
    """A dataframe's cell: text without quotes, numbers short, bytes as their length; one line, `|` escaped."""
    if isinstance(value, str):
        text = redact(_plain(value))
    elif isinstance(value, bool) or value is None:
        return "null" if value is None else str(value)
    elif isinstance(value, int):
        text = _integer(value)
    elif isinstance(value, float):
        text = number(value)
    else:
        text = line(value, width, redact=redact)
    return clip(text.replace("\n", "\\n").replace("\r", "\\r").replace("|", "\\|"), width)


def number(value: float) -> str:
    """A float with as many digits as tell it apart for a reader: `0.1`, `48210.13`, `1.5e-09`, `NaN`."""
    if value != value:
        return "NaN"
    exact = repr(float(value))
    text = exact if len(exact) <= 9 else f"{value:.7g}"
    return text.removesuffix(".0")


def rounded(value: float) -> str:
    """A computed number with five digits, never in powers of ten where digits are as short."""
    if not isinstance(value, float) or value != value or abs(value) >= 1e15:
        return str(value)
    text = f"{value:.5g}"
    return f"{value:.0f}" if "e+" in text else text


def unredacted(text: str) -> str:
    """The text itself, for what is no secret's place."""
    return text


def line(value: Any, width: int, depth: int = 0, redact: Redact = unredacted) -> str:
    """A value on one line, as Python would write it where that is short; never raises, never hangs."""
    kind = type(value)
    if value is None or kind is bool:
        return str(value)
    if kind is str:
        return clip(repr(redact(_plain(value, width * 4 + 200))), max(width, 8))
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
        return clip(_container(value, width, depth, redact), width)
    if is_dataclass(value) and not isinstance(value, type) and kind.__repr__ is not object.__repr__:
        pairs = ((f.name, _attribute(value, f.name)) for f in fields(value) if f.repr)
        return clip(_named(type_name(kind, short=True), pairs, width, depth, redact), width)
    found = libraries(value)
    if "numpy" in found:
        return _numpy(value, width, depth, redact)
    if found & PLAIN_LIBRARIES or "pandas" in found:
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
        plain = value.item()
        return (
            line(plain, width, depth, redact) if "numpy" not in libraries(plain) else clip(str(value), width)
        )
    if "MaskedConstant" in names:
        return "masked"
    if "ndarray" not in names:
        return own_repr(value, width, redact)
    if value.ndim == 1 and value.size <= 20 and value.dtype.kind in "biuf":
        return clip("array(" + _container(value.tolist(), width, depth + 1, redact) + ")", width)
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
        if used > width:
            parts.append(f"… {len(value) - position:,} more")
            break
        if isinstance(value, Mapping):
            text = (
                f"{line(element[0], width, depth + 1, redact)}: {line(element[1], width, depth + 1, redact)}"
            )
        else:
            text = line(element, width, depth + 1, redact)
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
    return clip(redact(ADDRESS.sub("", text[: limit * 2 + LOOK_AHEAD])), limit)
