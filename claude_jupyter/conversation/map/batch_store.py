"""Saves batches, so that another kernel can collect them: one small JSON file each, in the journal's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter.answer.model import cell_hash
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.costs.usage import TTL, Cost
from claude_jupyter.files import matching, private_folder, write_whole

if TYPE_CHECKING:
    from claude_jupyter.conversation.map.plan import Backlog, Plan

FOLDER: Final = "batches"
VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A batch as it is written down.

    Attributes
    ----------
    parts
        The service's ids; several where it is too large for one.
    keys
        The hash of each row's request, in order; it is the request's `custom_id`.
    kind
        Where its answers are kept (`results.py`).
    collected
        The parts whose results were taken in (and written to the ledger).
    taken
        The hashes of those of the next part that were taken in, where that broke off.
    problems
        What went wrong, by hash.
    spent
        Dollars by part of the price, of what was collected; None: not known.
    held
        What is set aside for it in the budgets, until all is collected.
    """

    keys: tuple[str, ...]
    kind: str
    at: str
    model: str
    provider: str
    chat: str
    turn: int
    cell: str | None
    prompt: str
    structured: bool
    ttl: TTL
    parts: tuple[str, ...] = ()
    collected: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    spent: Mapping[str, str] = field(default_factory=dict[str, str])
    unknown: int = 0
    held: str | None = None

    @classmethod
    def of(cls, plan: Plan, kind: str, backlog: Backlog, held: str | None) -> Record:
        """The record of a plan, before anything is sent."""
        prompt = " ".join(plan.prompt.split())
        return cls(
            keys=backlog.keys,
            problems=backlog.problems,
            kind=kind,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            model=plan.model,
            provider=plan.provider,
            chat=plan.chat,
            turn=plan.turn,
            cell=cell_hash(plan.place.cell) if plan.place.cell else None,
            prompt=prompt if len(prompt) <= 60 else f"{prompt[:60]}…",
            structured=plan.returns is not None,
            ttl=plan.ttl or "5m",
            held=held,
        )

    @property
    def id(self) -> str:
        """The first part's id."""
        return self.parts[0] if self.parts else "nothing to ask"

    @property
    def done(self) -> bool:
        """Whether all of it was collected."""
        return set(self.parts) <= set(self.collected)

    @property
    def cost(self) -> Cost | None:
        """List price of what was collected."""
        if not self.collected or self.unknown:
            return None
        return Cost({name: Decimal(usd) for name, usd in self.spent.items()})

    def with_sent(self, part: str) -> Record:
        """With the id that the service gave to one more part."""
        return replace(self, parts=(*self.parts, part))

    def with_results(self, hashes: Sequence[str], problems: Mapping[str, str], cost: Cost) -> Record:
        """With some results of a part, by their hashes."""
        names = {*self.spent, *cost.parts}
        spent = {n: str(Decimal(self.spent.get(n, "0")) + cost.parts.get(n, Decimal(0))) for n in names}
        return replace(
            self,
            taken=(*self.taken, *hashes),
            problems={**self.problems, **problems},
            spent=spent,
            unknown=self.unknown + cost.unknown,
        )

    def with_part(self, part: str) -> Record:
        """With all results of one part."""
        return replace(self, collected=(*self.collected, part), taken=())

    def in_order(self, keys: tuple[str, ...]) -> Record:
        """The same batch for rows in this order."""
        return replace(self, keys=keys)


class Records:
    """The records on disk; with `journal = "off"` those of this process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / FOLDER if journal.folder is not None else None

    @property
    def _session(self) -> dict[str, Record]:
        return self._journal.memory.setdefault(FOLDER, {})

    @property
    def _writes(self) -> bool:
        return self._folder is not None and self._journal.mode() != "off"

    def all(self) -> list[Record]:
        """Every record, newest first."""
        by_id = dict(self._session)
        if self._folder is not None:
            for path in matching(self._folder, "*.json"):
                record = _read(path)
                if record is not None:
                    by_id[record.id] = record
        return sorted(by_id.values(), key=lambda r: r.at, reverse=True)

    def newest(self, record: Record) -> Record:
        """The record as another kernel may have left it, for rows in this one's order."""
        path = self._path(record)
        there = _read(path) if path is not None and path.is_file() else self._session.get(record.id)
        return there.in_order(record.keys) if there is not None else record

    def keep(self, record: Record) -> None:
        """Write it down; where that fails, in this process alone, with a warning that names it."""
        path = self._path(record)
        if not self._writes or path is None or record.provider == "demo":  # which ends with its kernel
            self._session[record.id] = record
            return
        try:
            private_folder(path.parent)
            write_whole(path, json.dumps({"version": VERSION, **asdict(record)}))
        except OSError as error:
            self._session[record.id] = record
            self._journal.warn(
                f"The batch {record.id} cannot be saved ({error.strerror}): only this kernel can collect it."
            )

    def keep_sent(self, record: Record, part: str) -> Record:
        """The record with one more part that was sent, written down."""
        record = record.with_sent(part)
        self.keep(record)
        return record

    def _path(self, record: Record) -> Path | None:
        return self._folder / f"{record.id}.json" if self._folder is not None else None


def _read(path: Path) -> Record | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("version") != VERSION:
            return None
        lists: dict[str, Any] = {n: tuple(data.get(n, ())) for n in ("keys", "parts", "collected", "taken")}
        return Record(**(data | lists))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # cut or edited: the service's own list still has the batch
