"""Checks single option values; each error says in one line what is allowed.

Used by the table of options, for a magic's line and Python keywords alike; its table says which option has which kind.
"""

from __future__ import annotations

import difflib
import json
import keyword
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from claude_jupyter.errors import UsageError

Kind = Literal[
    "flag", "count", "choice", "text", "name", "word", "model", "path", "rows", "integer", "number",
    "expression", "json", "cell", "mode",
]  # fmt: skip
"""What an option's value is: `flag` has none, `count` may be left out (1), `mode` too (True), `expression` is found later."""


class CellReference(NamedTuple):
    """A cell of the notebook by its execution count or id, and one of its outputs, counted from 1; None: all of it."""

    cell: str
    output: int | None = None


def did_you_mean(name: str, names: Iterable[str], dashes: str = "") -> str:
    """`; did you mean X?` for the nearest of `names` (two where they are as near), or nothing if none is near."""
    candidates = list(names)
    near = [n for n in candidates if len(name) > 1 and n.startswith(name)] or difflib.get_close_matches(
        name, candidates, n=2
    )
    ratios = [difflib.SequenceMatcher(None, n, name).ratio() for n in near]
    near = [n for n, ratio in zip(near, ratios, strict=True) if ratio > max(ratios) - 0.1]
    return f"; did you mean {' or '.join(dashes + n for n in near[:2])}?" if near else ""


_KEY = re.compile(r"sk-ant-[\w-]{8,}")


def refuse_key(text: str) -> None:
    """Refuse a literal key in an argument; the message never repeats it.

    Raises
    ------
    UsageError
        If there is one.
    """
    if _KEY.search(text):
        raise UsageError(
            "this looks like a key, and a magic does not accept a key as an argument: use %claude_key"
        )


def checked(kind: Kind, value: Any, label: str, choices: Sequence[str] = ()) -> Any:
    """One value as it is kept; `label` is how messages call the option.

    Raises
    ------
    UsageError
        Saying what is allowed.
    """
    if isinstance(value, str):
        refuse_key(value)
    if kind == "count":
        return _count(value, label, choices)
    if kind == "mode" and isinstance(value, bool):
        return value
    return _choice(value, label, choices) if kind in ("choice", "mode") else _CHECKS[kind](value, label)


def _flag(value: Any, label: str) -> bool:
    if value is True or value is False:
        return value
    raise UsageError(f"{label} must be True or False, not {_short(value)}")


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[0-9]{1,15}", value.strip()) else None
    try:
        return value.__index__()
    except (AttributeError, TypeError):
        return None


def _count(value: Any, label: str, choices: Sequence[str] = ()) -> int | str:
    if isinstance(value, str) and value.strip().lower() in choices:
        return value.strip().lower()
    number = _whole(value)
    if number is None or number < 0 or (number == 0 and isinstance(value, str)):
        allowed = "".join(f", or {choice}" for choice in choices)
        raise UsageError(f"{label} must be a whole number of at least 1{allowed}, not {_short(value)}")
    return number


def _integer(value: Any, label: str) -> int:
    number = None if isinstance(value, bool) else _whole(value)
    if number is None or number < 1:
        raise UsageError(f"{label} must be a whole number of at least 1, not {_short(value)}")
    return number


def _number(value: Any, label: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise UsageError(f"{label} must be a number from 0 to 1, not {_short(value)}")
    return number


def _choice(value: Any, label: str, choices: Sequence[str]) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in choices:
        near = did_you_mean(text, choices)
        raise UsageError(f"{label} must be one of {', '.join(choices)}, not {_short(value)}{near}")
    return text


def _rows(value: Any, label: str) -> str:
    text = str(value).strip().lower()
    number = None if isinstance(value, bool) else _whole(text)
    if text in ("none", "all"):
        return text
    if number is None:
        raise UsageError(f"{label} must be a number, none or all, not {_short(value)}")
    return str(number)


def _text(value: Any, label: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{label} must be text, not {_short(value)}")
    return value


def _word(value: Any, label: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable():
        raise UsageError(f"{label} must be a name, not {_short(value)}")
    return text


def _model(value: Any, label: str) -> str:
    text = _word(value, label)
    if len(text.split()) > 1:
        raise UsageError(f"{label} must be one model, not {_short(value)}")
    return text


def _name(value: Any, label: str) -> str:
    if not isinstance(value, str) or not value.isidentifier() or keyword.iskeyword(value):
        raise UsageError(f"{label} must be a variable's name, not {_short(value)}")
    return value


def _path(value: Any, label: str) -> str | Path:
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return value
    if isinstance(value, os.PathLike):
        path = os.fspath(cast("os.PathLike[Any]", value))
        if isinstance(path, str):
            return Path(path)
    raise UsageError(f"{label} must be a path, a glob or a URL, not {_short(value)}")


def _cell(value: Any, label: str) -> CellReference:
    if isinstance(value, CellReference):
        return value
    match = re.fullmatch(r"\[?([\w-]{1,64}?)\]?(?::([0-9]{1,6}))?", str(value).strip())
    if match is None or isinstance(value, bool) or match[2] in ("0", "00"):
        raise UsageError(
            f"{label} must be the number next to a cell or its id, with :K for its K-th output (7, 7:2), not {_short(value)}"
        )
    return CellReference(match[1], int(match[2]) if match[2] else None)


def _expression(value: Any, label: str) -> Any:
    if isinstance(value, str) and not value.strip():
        raise UsageError(f"{label} must be a name or expression")
    return value


_CHECKS: Final[Mapping[Kind, Callable[[Any, str], Any]]] = {
    "flag": _flag, "text": _text, "name": _name, "word": _word, "model": _model,
    "path": _path, "cell": _cell,
    "rows": _rows, "integer": _integer, "number": _number, "expression": _expression,
}  # fmt: skip


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "…"


_OWN_OPTION: Final = {
    "model": "--model", "max_tokens": "--max-tokens", "system": "--system", "stop_sequences": "--stop",
    "temperature": "--temperature",
}  # fmt: skip
_NO_KEYS: Final = "a magic does not accept a key as an argument: use %claude_key"
_REFUSED: Final = {
    "stream": "answers always stream",
    "messages": "the conversation provides the messages",
    **dict.fromkeys(("api_key", "auth_token", "credentials"), _NO_KEYS),
    **dict.fromkeys(
        ("http_client", "default_headers", "profile", "config"), "assign a client to claude.client"
    ),
    **dict.fromkeys(("base_url", "max_retries"), "it is a setting: %config ClaudeMagics"),
}
_CREDENTIAL_HEADERS: Final = ("authorization", "x-api-key", "proxy-authorization", "cookie")


def param(text: str) -> tuple[str, Any]:
    """`KEY=JSON` as key and value.

    Raises
    ------
    UsageError
        For what is not JSON, or a key that has an option or is not taken.
    """
    key, equals, value = text.partition("=")
    if len(value) > 1 and value[0] == value[-1] == "'":
        value = value[1:-1]  # a habit of the shell; JSON has no such quotes
    if not equals or not key.strip():
        raise UsageError(f'--param takes KEY=JSON, such as --param service_tier="auto", not {_short(text)}')
    try:
        return allowed_param(key.strip(), json.loads(value, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        name = value.strip().strip("'\"") or "text"
        hint = (
            f"--param {key.strip()}={json.dumps(name, ensure_ascii=False)}"
            if len(name) <= 40 and re.fullmatch(r"[\w. /:-]+", name)
            else '--param metadata={"user_id":"me"}'
        )
        raise UsageError(
            f"--param {key.strip()} takes JSON, not {_short(value)}; text needs double quotes: {hint}"
        ) from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def allowed_param(key: Any, value: Any) -> tuple[str, Any]:
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_]\w*", key):
        raise UsageError(f"--param takes a Messages parameter's name, not {_short(key)}")
    refuse_key(repr(value))
    if key in _OWN_OPTION:
        raise UsageError(f"--param {key}: there is an option for it, {_OWN_OPTION[key]}")
    if key in _REFUSED:
        raise UsageError(f"--param {key} is not accepted: {_REFUSED[key]}")
    if key == "timeout" and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise UsageError(f"--param timeout takes seconds above 0, not {_short(value)}")
    if key == "betas" and not _texts(value):
        raise UsageError(
            '--param betas must be a list of strings, such as --param betas=["files-api-2025-04-14"]'
        )
    if key in ("extra_headers", "extra_query", "extra_body"):
        _check_extra(key, value)
    return key, value


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(item, str) for item in cast("Sequence[Any]", value)
    )


def _check_extra(key: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise UsageError(f'--param {key} takes an object, such as --param {key}={{"name":"value"}}')
    names = [str(name) for name in cast("Mapping[Any, Any]", value)]
    if key == "extra_headers" and (bad := [n for n in names if n.lower() in _CREDENTIAL_HEADERS]):
        raise UsageError(
            f"--param extra_headers: {bad[0]} contains a key, and a magic does not accept a key as an argument: use %claude_key"
        )
    if key == "extra_body" and (bad := [n for n in names if n in ("stream", "messages", "model")]):
        raise UsageError(f"--param extra_body: {bad[0]} is not accepted: it is built from the question")
