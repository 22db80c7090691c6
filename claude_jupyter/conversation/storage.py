"""A conversation as a versioned JSON file, and turns as JSON values. What happens to be on disk between is `journal.py`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from claude_jupyter.conversation.history import System, Turns, sealed, without_thinking
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import StorageError, UsageError
from claude_jupyter.files import write_whole
from claude_jupyter.turns import Answer, Attachment, Turn

FORMAT: Final = "claude-jupyter conversation"
VERSION: Final = 1


def save(
    path: str | os.PathLike[str], turns: Turns, *, name: str, model: str | None, system: System | None
) -> None:
    """Write a conversation; the file appears whole or not at all, readable by its owner only.

    Raises
    ------
    StorageError
        Where it cannot be written.
    """
    data = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "model": model,
        "system": system and system.text,
        "system_since": system and system.since,
        "turns": [turn_to_json(t) for t in turns],
    }
    target = path_of(path)
    try:
        write_whole(target, json.dumps(data, ensure_ascii=False, indent=1))
    except OSError as error:
        raise StorageError(f"{target.name} cannot be written: {error.strerror}.") from None


def load(path: str | os.PathLike[str]) -> tuple[Turns, str, str | None, System | None]:
    """Read a conversation: its turns, name, model and system prompt.

    Raises
    ------
    StorageError
        For a file that is missing, cut, of a newer version, or edited so that it is no conversation any more.
    """
    file = path_of(path)
    name = file.name or str(path)
    try:
        data = json.loads(file.read_text(encoding="utf-8", errors="surrogatepass"))
    except OSError as error:
        raise StorageError(f"{name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise StorageError(f"{name} is not whole: it is no JSON (cut short, or edited).") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StorageError(f"{name} is no saved conversation.")
    if not isinstance(data.get("version"), int):
        raise StorageError(f"{name} has been edited: it has no version.")
    if data["version"] > VERSION:
        raise StorageError(
            f"{name} was saved by a newer claude-jupyter (version {str(data['version'])[:20]}): pip install -U claude-jupyter."
        )
    try:
        turns = tuple(turn_from_json(t) for t in data["turns"])
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
        For what is none.
    """
    try:
        return Path(path).expanduser()
    except (TypeError, RuntimeError):  # no path; no home
        raise UsageError(f"a path is a text or a Path, not {str(path)[:80]!r}") from None


def _text_or_none(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """A turn as plain JSON values, images included."""
    return {
        "messages": [dict(m) for m in turn.messages],
        "answer": answer_to_json(turn.answer),
        "cell": turn.cell,
        "execution": turn.execution,
        "since": turn.since,
        "prompt": turn.prompt,
        "starts": turn.starts,
        "hidden": turn.hidden,
        "unseen": turn.unseen,
        "system": turn.system,
        "prefix": turn.prefix,
        "digest": turn.digest,
    }


def turn_from_json(data: Mapping[str, Any]) -> Turn:
    """The inverse of `turn_to_json`. Messages that were changed since lose their thinking, which is bound to what they were.

    Raises
    ------
    ValueError, KeyError, TypeError
        For what cannot have been a turn: messages that do not alternate, or hold something else than blocks.
    """
    messages = tuple(_message(m) for m in data["messages"])
    if (
        len(messages) < 2
        or len(messages) % 2
        or any(m["role"] != ("user", "assistant")[i % 2] for i, m in enumerate(messages))
    ):
        raise ValueError("messages do not alternate")
    turn = sealed(
        Turn(
            messages=messages,
            answer=answer_from_json(data["answer"]),
            cell=data.get("cell"),
            execution=data.get("execution"),
            since=int(data.get("since") or 0),
            prompt=str(data.get("prompt") or ""),
            starts=bool(data.get("starts")),
            hidden=bool(data.get("hidden")),
            unseen=bool(data.get("unseen")),
            system=data.get("system"),
            prefix=str(data.get("prefix") or ""),
        )
    )
    if data.get("digest") in (None, turn.digest):
        return turn
    return sealed(replace(turn, messages=tuple(without_thinking(messages))))


def _message(data: Mapping[str, Any]) -> dict[str, Any]:
    content = data["content"]
    if (
        not isinstance(content, list)
        or not content
        or any(not isinstance(b, dict) or "type" not in b for b in content)
    ):
        raise ValueError("a message without blocks")
    if any(b["type"] == "text" and not str(b.get("text") or "").strip() for b in content):
        raise ValueError("an empty text block")
    return {"role": data["role"], "content": content}


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """An answer as plain JSON values; its structured value is not kept (the text holds it)."""
    return {
        "id": answer.id,
        "chat": answer.chat,
        "turn": answer.turn,
        "model": answer.model,
        "provider": answer.provider,
        "blocks": [dict(b) for b in answer.blocks],
        "attachments": [{**a.to_json(), "rows": a.rows, "notes": list(a.notes)} for a in answer.attachments],
        "usage": {
            **answer.usage.to_json(),
            "thinking": answer.usage.thinking,
            "web_searches": answer.usage.web_searches,
        },
        "cost": None if answer.cost is None else {k: str(v) for k, v in answer.cost.parts.items()},
        "saved": str(answer.cost.saved) if answer.cost is not None else None,
        "estimated": answer.estimated,
        "complete": answer.complete,
        "stop_reason": answer.stop_reason,
        "started": answer.started.isoformat() if answer.started else None,
        "seconds": answer.seconds,
        "replayed": answer.replayed,
        "billed": answer.billed,
    }


def answer_from_json(data: Mapping[str, Any]) -> Answer:
    """The inverse of `answer_to_json`; attachments come back without their blocks (the messages hold them)."""
    cost = data.get("cost")
    estimated = bool(data.get("estimated"))
    parts = None if cost is None else {str(k): Decimal(v) for k, v in cost.items()}
    return Answer(
        id=str(data["id"]),
        chat=str(data.get("chat") or "main"),
        turn=int(data.get("turn") or 0),
        model=str(data.get("model") or ""),
        provider=str(data.get("provider") or "anthropic"),
        blocks=tuple(b for b in data["blocks"] if isinstance(b, dict)),
        attachments=tuple(_attachment(a) for a in data.get("attachments") or ()),
        usage=Usage.from_json(data.get("usage") or {}),
        cost=None
        if parts is None
        else Cost(parts, estimated=estimated, saved=Decimal(data.get("saved") or 0)),
        estimated=estimated,
        complete=bool(data.get("complete")),
        stop_reason=data.get("stop_reason"),
        started=datetime.fromisoformat(data["started"]) if data.get("started") else None,
        seconds=float(data.get("seconds") or 0),
        replayed=bool(data.get("replayed")),
        billed=bool(data.get("billed", True)),
    )


def _attachment(data: Mapping[str, Any]) -> Attachment:
    size = data.get("size")
    return Attachment(
        label=str(data["label"]),
        kind=data["kind"],
        blocks=(),
        sent=str(data["sent"]),
        tokens=int(data["tokens"]),
        size=(int(size[0]), int(size[1])) if size else None,
        thumbnail=data.get("thumbnail"),
        notes=tuple(data.get("notes") or ()),
        rows=bool(data.get("rows")),
    )
