"""Restores a conversation in a new kernel from the answers saved in the open notebook, with full turns from the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from claude_jupyter.answer.codec import joined, read_output
from claude_jupyter.answer.model import Answer, Turn
from claude_jupyter.conversation import history
from claude_jupyter.conversation.history import Turns, with_digests
from claude_jupyter.conversation.store.journal import Edit
from claude_jupyter.errors import StorageError


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
        If there is neither.
    """
    journal = _replayed(journalled)
    cells = _cells(notebook) if notebook is not None else None
    if cells is None or notebook is None:
        if not journal.turns:
            raise StorageError(
                "There is nothing to restore: this notebook has no journal, and its file was not found."
            )
        return journal.turns
    by_id: dict[str, Turn] = {}
    for cell in cells:
        for answer in _answers(cell, chat):
            # What was said before a refusal is not sent again (platform.claude.com, "Handling stop reasons").
            if answer.text.strip() and answer.stop_reason != "refusal" and answer.id not in journal.removed:
                for turn in _turns_of(cell, answer, journal):
                    by_id.setdefault(turn.answer.id, turn)  # an answer may be shown again in another cell
    if not by_id:
        return journal.turns
    saved, there = notebook.stat().st_mtime, {cell.get("id") for cell in cells}
    turns: Turns = tuple(by_id.values())
    for turn in journal.turns:
        # No output can show what a stream received, however often the notebook was saved since.
        unseen = turn.unseen and turn.cell in (None, *there)
        if turn.answer.id not in by_id and (unseen or _ended(turn.answer) > saved):
            turns = _with(turns, turn)
    return turns


class _Journalled(NamedTuple):
    """What the journal says: the history, every turn of it by its answer's id, and the ids that were taken out."""

    turns: Turns = ()
    by_id: Mapping[str, Turn] = MappingProxyType({})
    removed: frozenset[str] = frozenset()


def _replayed(journalled: Iterable[Turn | Edit]) -> _Journalled:
    by_id: dict[str, Turn] = {}
    turns: Turns = ()
    removed: frozenset[str] = frozenset()
    for entry in journalled:
        if isinstance(entry, Edit):
            turns, by_id = _edited(turns, by_id, entry)
            removed = (removed | entry.gone) - frozenset(entry.kept)
            continue
        again = entry.answer.id in by_id and any(t.answer.id == entry.answer.id for t in turns)
        by_id[entry.answer.id] = entry
        turns = turns if again else _with(turns, entry)
    return _Journalled(turns, by_id, removed)


def answered_above(notebook: Path | None, chat: str, cell: str | None, own: Iterable[Turn | Edit]) -> bool:
    """Whether there are answers of the chat above a cell, or anywhere where the cell is not known.

    Parameters
    ----------
    notebook
        The open notebook's file, if known.
    cell
        The cell that asks, if it has an id.
    own
        What this kernel was asked before it was restarted; of it counts what the file does not hold yet.
    """
    cells = _cells(notebook) if notebook is not None else None
    ids = [c.get("id") for c in cells or ()]
    above = (cells or [])[: ids.index(cell)] if cell in ids else cells or []
    if cell is not None and any(True for c in above for _ in _answers(c, chat)):
        return True
    saved = notebook.stat().st_mtime if notebook is not None and cells is not None else 0.0
    asking = [t.cell for t in _replayed(own).turns if _ended(t.answer) > saved]
    return bool(asking[: asking.index(cell)] if cell is not None and cell in asking else asking)


def _turns_of(cell: Mapping[str, Any], answer: Answer, journal: _Journalled) -> Turns:
    """The turns that an answer in a cell stands for: that of a re-run which broke off replaced none of its cell's."""
    if answer.id in journal.by_id:
        return (journal.by_id[answer.id],)
    before = tuple(t for t in journal.turns if t.cell is not None and t.cell == cell.get("id"))
    return before if before and not answer.complete else (_rebuilt(cell, answer),)


def _with(turns: Turns, turn: Turn) -> Turns:
    # Without a cell they stand as they came: numbers of different kernels say nothing about each other.
    return history.placed(turns, turn) if turn.cell is not None else (*turns, turn)


def _edited(turns: Turns, by_id: dict[str, Turn], edit: Edit) -> tuple[Turns, dict[str, Turn]]:
    """The turns after a change; turns of other kernels, which it does not mention, all stay."""
    by_id = {
        name: replace(t, hidden=name in edit.hidden) if name in edit.kept else t for name, t in by_id.items()
    }
    others = tuple(t for t in turns if t.answer.id not in edit.gone and t.answer.id not in edit.kept)
    return (*others, *(by_id[name] for name in edit.kept if name in by_id)), by_id


def _ended(answer: Answer) -> float:
    return answer.started.timestamp() + answer.seconds if answer.started is not None else 0.0


def _cells(path: Path) -> list[Mapping[str, Any]] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [c for c in data["cells"] if c.get("cell_type") == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _answers(cell: Mapping[str, Any], chat: str) -> Iterator[Answer]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        data = output.get("data") if isinstance(output, Mapping) else None
        answer = read_output(data) if isinstance(data, Mapping) else None
        if answer is not None and answer.chat == chat and not answer.once:
            yield answer


def _rebuilt(cell: Mapping[str, Any], answer: Answer) -> Turn:
    """A turn from what the notebook shows: the prompt as typed, attachments named as gone, the answer's text."""
    lines = joined(cell.get("source")).splitlines()
    start = next((i for i, line in enumerate(lines) if line.lstrip().startswith("%%claude")), None)
    prompt = "\n".join(lines[start + 1 :] if start is not None else lines).strip() or "(question not kept)"
    labels = [a.label for a in answer.attachments]
    note = f"[{', '.join(labels)}: attached then, no longer available]\n\n" if labels else ""
    return with_digests(
        Turn(
            messages=(
                {"role": "user", "content": [{"type": "text", "text": note + prompt}]},
                {"role": "assistant", "content": [{"type": "text", "text": answer.text}]},
            ),
            answer=answer,
            cell=cell.get("id"),
            prompt=prompt,
            starts=answer.starts,
        )
    )
