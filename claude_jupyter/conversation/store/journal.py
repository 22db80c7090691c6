"""Saves every finished turn to disk at once, so that a killed kernel loses none: one file per kernel, and images by their hash.

Append-only JSON lines; a line that was cut off by a kill is skipped. `restore.py` reads it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from claude_jupyter.answer.codec import VERSION, turn_from_json, turn_to_json
from claude_jupyter.answer.model import Turn
from claude_jupyter.conversation.ask.repeated import earlier_keys
from claude_jupyter.conversation.history import verified
from claude_jupyter.files import append_line, json_lines, matching, private_folder, write_whole

_DAY = 86_400
_BESIDE = ("images", "map", "batches")
_GONE = "[an image that is no longer available]"


class Edit(NamedTuple):
    """A change of a history by its user: answers by id.

    Attributes
    ----------
    kept
        All turns that the kernel's history has now, in order.
    hidden
        Those of them that are not sent.
    gone
        Those that it had until now.
    """

    kept: tuple[str, ...]
    hidden: frozenset[str]
    gone: frozenset[str]


@dataclass
class Journal:
    """The journal of one kernel.

    Attributes
    ----------
    folder
        The journal's folder; None if none can be made.
    mode
        `on`, `text` (images left out) or `off`, read at each write.
    notebook
        The notebook that this kernel belongs to, for finding the turns again.
    warn
        Told once when it cannot be written.
    memory
        What maps and batches keep if nothing may be written: as long as the kernel lives.
    """

    folder: Path | None
    kernel: str
    notebook: str | None
    mode: Callable[[], str]
    warn: Callable[[str], None]
    memory: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]], init=False)
    _warned: set[str] = field(default_factory=set[str], init=False)

    def add(self, chat: str, turn: Turn, key: str | None = None) -> None:
        """Save a turn; a failure loses the turn's line and shows one warning, never affects the answer.

        Parameters
        ----------
        key
            What makes its question what it is (`conversation/ask/repeated.py`); None: it was asked elsewhere.
        """
        mode = self.mode()
        if mode == "off" or self.folder is None:
            return
        try:
            images = self._folder("images")
            messages = [_outward(m, images if mode == "on" else None) for m in turn.messages]
            entry = {
                "version": VERSION,
                "notebook": self.notebook,
                "chat": chat,
                "asked": key,
                "usd": str(turn.answer.cost) if turn.answer.billed and turn.answer.cost is not None else None,
                "turn": {**turn_to_json(turn), "messages": messages},
            }
            self._write(entry)
        except OSError as error:
            self._say(error)

    def edit(self, chat: str, before: Sequence[Turn], after: Sequence[Turn]) -> None:
        """Record that the history was changed other than by an answer: undone, hidden, cleared, loaded."""
        if self.mode() == "off" or self.folder is None:
            return
        order = [t.answer.id for t in after]
        edit = Edit(
            kept=tuple(order),
            hidden=frozenset(t.answer.id for t in after if t.hidden),
            gone=frozenset(t.answer.id for t in before) - frozenset(order),
        )
        fields = {name: sorted(ids) if name != "kept" else list(ids) for name, ids in edit._asdict().items()}
        try:
            self._write({"version": VERSION, "notebook": self.notebook, "chat": chat, "edit": fields})
        except OSError as error:
            self._say(error)

    def paid(self, chat: str, key: str, usd: Decimal) -> None:
        """Record that a question was paid for whose turn is not kept (`--once`); only for the hint."""
        if self.mode() == "off" or self.folder is None:
            return
        try:
            self._write(
                {"version": VERSION, "notebook": self.notebook, "chat": chat, "asked": key, "usd": str(usd)}
            )
        except OSError as error:
            self._say(error)

    def turns(self, chat: str, *, own: bool = False) -> Iterator[Turn | Edit]:
        """Turns of this notebook and chat in the journal, and what was done with them, oldest first.

        Parameters
        ----------
        own
            Those of this kernel alone, also from before it was restarted: all there is where the notebook is not known.
        """
        for path in self._paths(own=own):
            for entry in _entries(path):
                if entry.get("notebook") != self.notebook or entry.get("chat") != chat:
                    continue
                read = self._turn(entry["turn"]) if "turn" in entry else _edit(entry.get("edit"))
                if read is not None:
                    yield read

    def answered_before(self) -> Iterator[tuple[str, Decimal]]:
        """Questions of this notebook that were paid for: (key, USD); see `conversation/ask/repeated.py`."""
        for path in self._paths() if self.mode() != "off" else ():
            yield from earlier_keys(e for e in _entries(path) if e.get("notebook") == self.notebook)

    def prune(self, days: int) -> None:
        """Delete what is older than `days`, and images that no turn needs anymore."""
        if self.folder is None or not self.folder.is_dir():
            return
        limit = time.time() - days * _DAY
        beside = (path for kind in _BESIDE for path in matching(self.folder / kind, "*"))
        for path in [*matching(self.folder, "*.jsonl"), *beside]:
            try:
                if path.stat().st_mtime < limit:
                    path.unlink()
            except OSError:
                continue  # another kernel was faster

    def forget(self) -> int:
        """Delete the whole journal of all kernels, including the answers of maps; returns how many conversations that was.

        Batches stay listed: they hold no answers, and what was paid for can still be collected.
        """
        for name in [n for n in self.memory if n.startswith("map/")]:
            del self.memory[name]
        if self.folder is None or not self.folder.is_dir():
            return 0
        paths = matching(self.folder, "*.jsonl")
        for path in [*paths, *matching(self.folder / "images", "*"), *matching(self.folder / "map", "*")]:
            path.unlink(missing_ok=True)
        return len(paths)

    def _paths(self, *, own: bool = False) -> list[Path]:
        if self.folder is None:
            return []
        if own or self.notebook is None:
            return [self.folder / f"{self.kernel}.jsonl"]
        return sorted(matching(self.folder, "*.jsonl"), key=_written)

    def _write(self, entry: Mapping[str, Any]) -> None:
        append_line(self._folder() / f"{self.kernel}.jsonl", entry)

    def say_once(self, what: str, error: OSError, loss: str) -> None:
        """Warn that something cannot be written, the first time."""
        if what not in self._warned:
            self._warned.add(what)
            self.warn(f"{what} ({error.strerror}): if the kernel is killed, {loss} is lost.")

    def _say(self, error: OSError) -> None:
        self.say_once("The journal cannot be written", error, "this conversation")

    def _folder(self, name: str = "") -> Path:
        assert self.folder is not None
        return private_folder(self.folder / name)

    def _turn(self, data: Mapping[str, Any]) -> Turn | None:
        assert self.folder is not None
        try:
            messages = [_inward(m, self.folder / "images") for m in data["messages"]]
            return verified(turn_from_json({**data, "messages": messages}))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            return None  # edited by hand: the notebook's own answer serves instead


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # another kernel has just deleted it


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for entry in json_lines(path):
        if entry.get("version") == VERSION and isinstance(entry.get("turn", {}), dict):
            yield entry


def _edit(fields: Any) -> Edit | None:
    try:
        order, hidden, gone = (tuple(map(str, fields[name])) for name in Edit._fields)
    except (KeyError, TypeError):
        return None  # edited by hand, or the trace of a question that is not kept
    return Edit(order, frozenset(hidden), frozenset(gone))


def _outward(value: Any, images: Path | None) -> Any:
    """The message with base64 sources replaced by their hash; the bytes go beside, unless images are left out."""
    if isinstance(value, list):
        return [_outward(v, images) for v in value]
    if not isinstance(value, Mapping):
        return value
    source: Mapping[str, Any] | Literal[0] = value.get("source") or 0
    if isinstance(source, Mapping) and source.get("type") == "base64":
        data = str(source["data"])
        name = hashlib.sha256(data.encode()).hexdigest()
        if images is None:
            return {"type": "text", "text": _GONE}
        _keep_image(images / name, data)
        return {**value, "source": {**source, "data": None, "sha256": name}}
    return {k: _outward(v, images) for k, v in value.items()}


def _keep_image(path: Path, data: str) -> None:
    try:
        os.utime(path)  # in use again: not to be pruned yet
        return
    except FileNotFoundError:
        pass
    write_whole(path, data)  # a file that exists under its hash is never written again


def _inward(value: Any, images: Path) -> Any:
    if isinstance(value, list):
        return [_inward(v, images) for v in value]
    if not isinstance(value, Mapping):
        return value
    source = value.get("source")
    if isinstance(source, Mapping) and "sha256" in source:
        name = str(source["sha256"])
        try:
            data = (images / name).read_text(encoding="ascii") if name.isalnum() else ""
        except (OSError, UnicodeDecodeError):
            data = ""
        if hashlib.sha256(data.encode()).hexdigest() != name:
            return {"type": "text", "text": _GONE}
        return {**value, "source": {"type": "base64", "media_type": source.get("media_type"), "data": data}}
    return {k: _inward(v, images) for k, v in value.items()}
