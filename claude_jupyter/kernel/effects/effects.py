"""A cell's source and the user's variables → the effects its run would have, magics and shell lines included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from claude_jupyter.kernel.effects.analysis import Analysis


@dataclass(frozen=True, slots=True)
class Effects:
    """What a cell would do.

    Attributes
    ----------
    reads
        Names of the user's variables whose values are read.
    adds
        New names, and `a plot` where something is drawn.
    changes
        Names that are bound again or deleted, and those whose object is changed in place.
    files, network, installs, shell
        What reaches beyond the kernel, in a few words each.
    hidden
        What cannot be known from the code.
    in_place
        Names among `changes` whose object is changed in place; the others are only bound again or deleted.
    """

    reads: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether it only reads and adds."""
        return not any(names for kind, names in self.to_json().items() if kind not in ("reads", "adds"))

    def to_json(self) -> dict[str, list[str]]:
        """The effects that there are, by name."""
        kinds = (f.name for f in fields(self) if f.name != "in_place")
        return {kind: list(getattr(self, kind)) for kind in kinds if getattr(self, kind)}

    def words(self, undoable: tuple[str, ...] = ()) -> str:
        """One line for a person: *reads sales · adds monthly · writes out.csv*.

        Parameters
        ----------
        undoable
            Names among `changes` whose change cannot be undone; they are named at the end.
        """
        parts = [f"{verb} {_listed(names)}" for verb, names in self._verbs() if names]
        parts += [f"cannot be undone: {_listed(undoable)}"] if undoable else []
        return " · ".join(parts) or "changes nothing"

    def _verbs(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        read = tuple(f.removeprefix("reads ") for f in self.files if f.startswith("reads "))
        written = tuple(f.removeprefix("writes ") for f in self.files if f.startswith("writes "))
        other = tuple(f for f in self.files if not f.startswith(("reads ", "writes ")))
        return (
            ("reads", self.reads), ("adds", self.adds), ("changes", self.changes), ("reads file", read),
            ("writes", written), ("uses files:", other), ("uses the network:", self.network),
            ("installs", self.installs), ("runs a shell command:", self.shell), ("cannot be checked:", self.hidden),
        )  # fmt: skip


def _listed(names: tuple[str, ...], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def effects_of(source: str, namespace: Mapping[str, Any]) -> Effects:
    """The effects that running a cell would have.

    Parameters
    ----------
    source
        The cell's source, magics and shell lines included.
    namespace
        The user's variables. They are looked at by their types; no code of theirs is run.
    """
    analysis = Analysis(namespace)
    analysis.source(source)
    kinds = {f.name for f in fields(Effects)}
    return Effects(**{kind: tuple(names) for kind, names in analysis.effects.items() if kind in kinds})
