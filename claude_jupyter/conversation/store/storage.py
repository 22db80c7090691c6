"""A conversation as a versioned JSON file. How a turn is written is `answer/codec.py`'s; what is on disk meanwhile is `journal.py`'s."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from claude_jupyter.answer.codec import VERSION, turn_from_json, turn_to_json
from claude_jupyter.conversation.history import System, Turns, verified
from claude_jupyter.encodable import encodable_all
from claude_jupyter.errors import StorageError, UsageError
from claude_jupyter.files import write_whole

FORMAT: Final = "claude-jupyter conversation"

Saved = tuple[Turns, str, str | None, System | None]
"""Turns, name, model and system prompt of a conversation."""


_OTHER_FORMATS = frozenset(
    {
        ".md",
        ".markdown",
        ".txt",
        ".rst",
        ".html",
        ".htm",
        ".pdf",
        ".ipynb",
        ".py",
        ".csv",
        ".docx",
        ".tex",
        ".qmd",
        ".rmd",
    }
)
"""File extensions that promise a format other than JSON."""


def save(
    path: str | os.PathLike[str], turns: Turns, *, name: str, model: str | None, system: System | None
) -> None:
    """Write a conversation; the file appears whole or not at all, readable by its owner only.

    Raises
    ------
    StorageError
        If it cannot be written.
    UsageError
        For a name with the extension of another format (`.md`, `.html` …).
    """
    target = path_of(path)
    if target.suffix.lower() in _OTHER_FORMATS:
        raise UsageError(
            f"{target.name}: save writes JSON that load can read: name it {target.stem}.json. "
            f'For Markdown, use export("{target.stem}.md").'
        )
    data = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "model": model,
        "system": system and system.text,
        "system_since": system and system.since,
        "turns": [turn_to_json(t) for t in turns],
    }
    try:
        write_whole(target, json.dumps(data, ensure_ascii=False, indent=1))
    except OSError as error:
        raise StorageError(f"{target.name} cannot be written: {error.strerror}.") from None


def export(path: str | os.PathLike[str], markdown: str) -> Path:
    """Write a transcript.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    target = path_of(path)
    try:
        target.write_text(markdown + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise StorageError(f"{target.name} cannot be written: {error.strerror}.") from None
    return target


def load(path: str | os.PathLike[str]) -> Saved:
    """Read a conversation: its turns, name, model and system prompt.

    Raises
    ------
    StorageError
        If the file is missing, truncated, from a newer version, or edited so that it is no longer a conversation.
    """
    file = path_of(path)
    name = file.name or str(path)
    try:
        data = encodable_all(json.loads(file.read_text(encoding="utf-8", errors="surrogatepass")))
    except OSError as error:
        raise StorageError(f"{name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise StorageError(f"{name} is not valid JSON (cut off, or edited).") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StorageError(f"{name} is not a saved conversation.")
    if not isinstance(data.get("version"), int):
        raise StorageError(f"{name} has been edited: it has no version.")
    if data["version"] > VERSION:
        raise StorageError(
            f"{name} was saved by a newer claude-jupyter (version {str(data['version'])[:20]}): pip install -U claude-jupyter."
        )
    try:
        turns = tuple(verified(turn_from_json(t)) for t in data["turns"])
        text = _text_or_none(data, "system")
        system = None if text is None else System(text, int(data.get("system_since") or 0))
        return turns, str(data["name"]), _text_or_none(data, "model"), system
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise StorageError(f"{name} has been edited: {type(error).__name__} {str(error)[:200]}.") from None


def path_of(path: Any) -> Path:
    """A path as it was given, `~` resolved.

    Raises
    ------
    UsageError
        If it is not a path.
    """
    try:
        return Path(path).expanduser()
    except (TypeError, RuntimeError):  # no path; no home
        raise UsageError(f"a path must be a string or a Path, not {str(path)[:80]!r}") from None


def _text_or_none(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{key} is not text")
    return value
