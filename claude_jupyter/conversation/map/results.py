"""The answers of maps and batches, on disk by the hash of each request, so that asking again only pays for what is missing.

One append-only file for each kind of question, below the journal; a line that was cut off by a kill is skipped. It holds answers and
hashes, never what was sent. With `journal = "off"` they are kept in this process alone.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, NamedTuple

from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.files import append_line, json_lines, private_folder

FOLDER: Final = "map"


class StoredResult(NamedTuple):
    """One kept answer: its text, and whether it was cut at `max_tokens`."""

    text: str
    cut: bool = False


class Results:
    """The kept answers of one kind of question.

    Parameters
    ----------
    kind
        Digest of all that the requests share.
    afresh
        Start with none: answers kept from now on replace the earlier ones.
    """

    def __init__(self, journal: Journal, kind: str, *, afresh: bool = False) -> None:
        self.kind = kind
        self._journal = journal
        self._path = journal.folder / FOLDER / f"{kind}.jsonl" if journal.folder is not None else None
        self._results: dict[str, StoredResult] = journal.memory.setdefault(f"{FOLDER}/{kind}", {})
        self._failed = False
        self._touched = False
        if afresh:
            self._results.clear()
        elif self._writes and self._path is not None:
            self._read(self._path)

    @property
    def _writes(self) -> bool:
        return self._path is not None and self._journal.mode() != "off"

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __getitem__(self, key: str) -> StoredResult:
        return self._results[key]

    def release(self) -> None:
        """Take them out of memory, if they are on disk."""
        if self._writes and not self._failed:
            self._journal.memory.pop(f"{FOLDER}/{self.kind}", None)

    def keep(self, key: str, result: StoredResult) -> None:
        """Keep an answer; where the disk fails, in memory and with one warning."""
        self._results[key] = result
        if not self._writes or self._path is None:
            return
        try:
            if not self._touched:
                private_folder(self._path.parent)
                self._touched = True
            append_line(self._path, {"version": 1, "hash": key, **result._asdict()})
        except OSError as error:
            self._failed = True
            self._journal.say_once("Results cannot be kept on disk", error, "them")

    def _read(self, path: Path) -> None:
        for data in json_lines(path):
            with contextlib.suppress(KeyError):
                if data["version"] == 1:
                    self._results[str(data["hash"])] = StoredResult(str(data["text"]), bool(data["cut"]))
