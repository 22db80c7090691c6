"""What the Models API tells of the models, asked by the first question that names what they differ in, and kept on disk for a day.

How its answer is read is `capabilities.py`; the built-in table (`models.py`) serves wherever nothing was told. A question never fails
for this, and waits for it half a second at most.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from claude_jupyter.client.capabilities import model_of
from claude_jupyter.files import private_folder, write_whole
from claude_jupyter.models import forget, known, learn

VERSION: Final = 1
_ANSWER_WITHIN: Final = 5.0
"""Seconds that the Models API may take."""
_PATIENCE: Final = 0.5
"""Seconds that a question waits for it, where it matters."""
_FRESH: Final = timedelta(days=1)
_USABLE: Final = timedelta(days=7)


class Learner:
    """Takes in what the service tells of its models.

    Parameters
    ----------
    path
        Where it is kept between kernels; None: models of the table are not asked about.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._endpoint: str | None = None
        self._age: timedelta | None = None
        self._thread: threading.Thread | None = None
        self._asked: set[str] = set()

    def refresh(self, client: Any, *, ask: bool) -> None:
        """Take in what is kept, and where that is older than a day ask, on a thread; a first answer is waited for, for a moment.

        Parameters
        ----------
        ask
            Whether the question depends on it; a plain one sends its own request and no other.
        """
        if self._path is None:
            return
        endpoint = str(getattr(client, "base_url", ""))
        if endpoint != self._endpoint:
            if self._endpoint is not None:
                forget()
            self._endpoint, self._thread = endpoint, None
            self._age = self._read(endpoint)
        if not ask or (self._age is not None and self._age < _FRESH):
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._ask, args=(client, endpoint), name="claude-models", daemon=True
            )
            self._thread.start()
        if self._age is None:
            self._thread.join(_PATIENCE)

    def one(self, client: Any, model: str) -> None:
        """Ask about a model that neither the table nor the service's list knows; once."""
        if known(model) or model in self._asked:
            return
        self._asked.add(model)  # also where nothing comes of it: the question itself will tell
        try:
            learn(model_of(client.models.retrieve(model, timeout=_ANSWER_WITHIN).to_dict()))
        except Exception:
            return

    def take(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Learn from `ModelInfo` objects; what cannot be read is left to the table."""
        for info in told:
            try:
                learn(model_of(info))
            except (KeyError, TypeError, ValueError):
                continue

    def _ask(self, client: Any, endpoint: str) -> None:
        try:
            told = [m.to_dict() for m in client.models.list(limit=100, timeout=_ANSWER_WITHIN)]
        except Exception:
            return  # a gateway without the Models API, no connection: the table serves
        if endpoint == self._endpoint:
            self.take(told)
        self._write(endpoint, told)

    def _read(self, endpoint: str) -> timedelta | None:
        """Take in what is kept of this endpoint; how old it is, or None where nothing usable is."""
        assert self._path is not None
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            kept: Any = data["endpoints"][endpoint]
            age = datetime.now(UTC) - datetime.fromisoformat(kept["at"])
            if data["version"] != VERSION or not timedelta(0) <= age < _USABLE:
                return None
            self.take(cast("list[Mapping[str, Any]]", kept["models"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return age

    def _write(self, endpoint: str, told: list[dict[str, Any]]) -> None:
        assert self._path is not None
        try:
            there = json.loads(self._path.read_text(encoding="utf-8"))
            endpoints = dict(there["endpoints"]) if there["version"] == VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            endpoints = {}
        endpoints[endpoint] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "models": told}
        try:
            private_folder(self._path.parent)
            write_whole(self._path, json.dumps({"version": VERSION, "endpoints": endpoints}, default=str))
        except OSError:
            return  # asked again by the next kernel
