"""A conversation back in a fresh kernel: from the answers saved in the open notebook, with their full turns from the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from claude_jupyter.conversation import history
from claude_jupyter.conversation.history import Turns, sealed
from claude_jupyter.conversation.journal import Edit
from claude_jupyter.costs.usage import Usage
from claude_jupyter.errors import StorageError
from claude_jupyter.turns import Answer, Attachment, Turn

MIME: Final = "application/vnd.claude-jupyter.answer+json"


def restored(notebook: Path | None, chat: str, journalled: Iterable[Turn | Edit]) -> Turns:
    """The chat's turns as the notebook shows them, and those that came after it was saved; without one as the journal has them.

    What was undone stays undone, what was hidden stays hidden.

    Parameters
    ----------
    notebook
        The open notebook's file, if known.
    journalled
        Turns of this notebook from the journal, and what was done with them, oldest first.

    Raises
    ------
    StorageError
        Where there is neither.
    """
    known: dict[str, Turn] = {}
    turns: Turns = ()
    gone: frozenset[str] = frozenset()
    for entry in journalled:
        if isinstance(entry, Edit):
            turns, known = _edited(turns, known, entry)
            gone = (gone | entry.gone) - frozenset(entry.kept)
        else:
            again = entry.answer.id in {t.answer.id for t in turns} if entry.answer.id in known else False
            known[entry.answer.id] = entry
            turns = turns if again else _with(turns, entry)
    cells = _cells(notebook) if notebook is not None else None
    if cells is None or notebook is None:
        if not turns:
            raise StorageError(
                "There is nothing to restore: no journal of this notebook, and its file is not at hand."
            )
        return turns
    found: dict[str, Turn] = {}
    for cell in cells:
        for answer, text in _answers(cell, chat):
            if text.strip() and answer.id not in gone:
                for turn in _shown(cell, answer, text, known, turns):
                    found.setdefault(turn.answer.id, turn)  # an answer may be shown again in another cell
    if not found:
        return turns
    saved, there = notebook.stat().st_mtime, {cell.get("id") for cell in cells}
    shown: Turns = tuple(found.values())
    for turn in turns:
        # What a stream was told no output can show, however often the notebook was saved since.
        unseen = turn.unseen and turn.cell in (None, *there)
        if turn.answer.id not in found and (unseen or _ended(turn.answer) > saved):
            shown = _with(shown, turn)
    return shown


def _shown(
    cell: Mapping[str, Any], answer: Answer, text: str, known: Mapping[str, Turn], turns: Turns
) -> Turns:
    """The turns that an answer in a cell stands for: that of a re-run which broke off replaced none of its cell's."""
    if answer.id in known:
        return (known[answer.id],)
    before = tuple(t for t in turns if t.cell is not None and t.cell == cell.get("id"))
    return before if before and not answer.complete else (_rebuilt(cell, answer, text),)


def _with(turns: Turns, turn: Turn) -> Turns:
    # Without a cell they stand as they came: numbers of different kernels say nothing about each other.
    return history.placed(turns, turn) if turn.cell is not None else (*turns, turn)


def _edited(turns: Turns, known: dict[str, Turn], edit: Edit) -> tuple[Turns, dict[str, Turn]]:
    """The turns after a change; of those from other kernels, which it says nothing about, all stay."""
    known = {
        name: replace(t, hidden=name in edit.hidden) if name in edit.kept else t for name, t in known.items()
    }
    others = tuple(t for t in turns if t.answer.id not in edit.gone and t.answer.id not in edit.kept)
    return (*others, *(known[name] for name in edit.kept if name in known)), known


def _ended(answer: Answer) -> float:
    return answer.started.timestamp() + answer.seconds if answer.started is not None else 0.0


def _cells(path: Path) -> list[Mapping[str, Any]] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [c for c in data["cells"] if c.get("cell_type") == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _answers(cell: Mapping[str, Any], chat: str) -> Iterator[tuple[Answer, str]]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        data = (output.get("data") if isinstance(output, Mapping) else None) or {}
        saved = data.get(MIME) if isinstance(data, Mapping) else None
        if not isinstance(saved, Mapping) or saved.get("version") != 1 or saved.get("chat") != chat:
            continue
        if saved.get("once") is True:
            continue
        text = _joined(data.get("text/plain"))
        try:
            yield _answer(saved, text), text
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            continue  # edited by hand: its Markdown is still there to read


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def _answer(saved: Mapping[str, Any], text: str) -> Answer:
    from decimal import Decimal

    from claude_jupyter.costs.usage import Cost

    cost = saved.get("cost")
    estimated = bool(saved.get("estimated"))
    return Answer(
        id=str(saved["id"]),
        chat=str(saved["chat"]),
        turn=int(saved.get("turn") or 0),
        model=str(saved.get("model") or ""),
        provider=str(saved.get("provider") or "anthropic"),
        blocks=({"type": "text", "text": text},),
        attachments=tuple(
            Attachment(str(a["label"]), a["kind"], (), str(a["sent"]), int(a["tokens"]))
            for a in saved.get("attachments") or ()
        ),
        usage=Usage.from_json(saved.get("usage") or {}),
        cost=Cost(
            {"output": Decimal(str(cost))},
            estimated=estimated,
            saved=Decimal(str(saved.get("saved") or 0)),
        )
        if cost is not None
        else None,
        estimated=estimated,
        complete=bool(saved.get("complete")),
        stop_reason=saved.get("stop_reason"),
        started=datetime.fromisoformat(str(saved["started"])) if saved.get("started") else None,
        seconds=float(saved.get("seconds") or 0),
        replayed=bool(saved.get("replayed")),
        starts=saved.get("starts") is True,
    )


def _rebuilt(cell: Mapping[str, Any], answer: Answer, text: str) -> Turn:
    """A turn from what the notebook shows: the prompt as typed, attachments named as gone, the answer's text."""
    lines = _joined(cell.get("source")).splitlines()
    start = next((i for i, line in enumerate(lines) if line.lstrip().startswith("%%claude")), None)
    prompt = "\n".join(lines[start + 1 :] if start is not None else lines).strip() or "(question not kept)"
    gone = [a.label for a in answer.attachments]
    note = f"[{', '.join(gone)}: shown then, no longer at hand]\n\n" if gone else ""
    return sealed(
        Turn(
            messages=(
                {"role": "user", "content": [{"type": "text", "text": note + prompt}]},
                {"role": "assistant", "content": [{"type": "text", "text": text}]},
            ),
            answer=answer,
            cell=cell.get("id"),
            prompt=prompt,
            starts=answer.starts,
        )
    )
