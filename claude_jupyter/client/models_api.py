"""What the Models API says about the models: asked for by the first question that names what they differ in, and kept on disk for a day.

The built-in table (`models.py`) serves wherever nothing was told. A question never fails
for this, and waits for it half a second at most.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from claude_jupyter.client.transport import apart
from claude_jupyter.files import private_folder, write_whole
from claude_jupyter.interrupts import started
from claude_jupyter.models import Catalog, Model, Thinking, facts

VERSION: Final = 1
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_ANSWER_WITHIN: Final = 5.0
"""Seconds that the Models API may take."""
_PATIENCE: Final = 0.5
"""Seconds that a question waits for it, where it matters."""
_FRESH: Final = timedelta(days=1)
_USABLE: Final = timedelta(days=7)
_TYPES: tuple[Thinking, ...] = ("adaptive", "between_tools", "enabled", "disabled")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class CatalogUpdater:
    """Takes in what the service tells of its models.

    Parameters
    ----------
    catalog
        Where it is taken in.
    path
        Where it is kept between kernels; None: models of the table are not asked about.
    """

    def __init__(self, catalog: Catalog, path: Path | None = None) -> None:
        self._catalog = catalog
        self._path = path
        self._endpoint: str | None = None
        self._age: timedelta | None = None
        self._thread: threading.Thread | None = None
        self._queried: set[str] = set()

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
                self._catalog.forget()
            self._endpoint, self._thread = endpoint, None
            self._age = self._read(endpoint)
        if not ask or (self._age is not None and self._age < _FRESH):
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._ask, args=(client, endpoint), name="claude-models", daemon=True
            )
            started(self._thread)
        if self._age is None:
            self._thread.join(_PATIENCE)

    def one(self, client: Any, model: str) -> None:
        """Ask about a model that neither the table nor the service's list knows; once."""
        if self._catalog.known(model) or model in self._queried:
            return
        self._queried.add(model)  # also if nothing comes of it: the question itself will tell
        try:
            info = apart(lambda: client.models.retrieve(model, timeout=_ANSWER_WITHIN).to_dict())
            self._catalog.learn(model_of(info))
        except Exception:
            return

    def take(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Learn from `ModelInfo` objects; what cannot be read is left to the table."""
        for info in listed:
            try:
                self._catalog.learn(model_of(info))
            except (KeyError, TypeError, ValueError):
                continue

    def _ask(self, client: Any, endpoint: str) -> None:
        try:
            listed = [m.to_dict() for m in client.models.list(limit=100, timeout=_ANSWER_WITHIN)]
        except Exception:
            return  # a gateway without the Models API, no connection: the table serves
        if endpoint == self._endpoint:
            self.take(listed)
        self._write(endpoint, listed)

    def _read(self, endpoint: str) -> timedelta | None:
        """Take in what is kept of this endpoint; how old it is, or None if nothing usable is."""
        assert self._path is not None
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            entry: Any = data["endpoints"][endpoint]
            age = datetime.now(UTC) - datetime.fromisoformat(entry["at"])
            if data["version"] != VERSION or not timedelta(0) <= age < _USABLE:
                return None
            self.take(cast("list[Mapping[str, Any]]", entry["models"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return age

    def _write(self, endpoint: str, listed: list[dict[str, Any]]) -> None:
        assert self._path is not None
        try:
            there = json.loads(self._path.read_text(encoding="utf-8"))
            endpoints = dict(there["endpoints"]) if there["version"] == VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            endpoints = {}
        endpoints[endpoint] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "models": listed}
        try:
            private_folder(self._path.parent)
            write_whole(self._path, json.dumps({"version": VERSION, "endpoints": endpoints}, default=str))
        except OSError:
            return  # asked again by the next kernel


def model_of(info: Mapping[str, Any]) -> Model:
    """The facts of a model from a `ModelInfo` (GET /v1/models/{id}); what it does not tell is taken from the newest of its line."""
    base = facts(str(info["id"]))
    able = _mapping(info.get("capabilities"))
    thinking = _mapping(_mapping(able.get("thinking")).get("types"))
    types = tuple(t for t in _TYPES if _supported(thinking, t)) or base.thinking
    effort = _mapping(able.get("effort"))
    efforts = tuple(e for e in _EFFORTS if _supported(effort, e)) if effort else base.efforts
    managed = _mapping(able.get("context_management"))
    return replace(
        base,
        id=str(info["id"]),
        line=str(info.get("line") or base.line),
        context=int(info.get("max_input_tokens") or base.context),
        max_output=int(info.get("max_tokens") or base.max_output),
        thinking=types,
        thinks=base.thinks if base.thinks == "off" else "on" if _can_rest(types) else "always",
        efforts=efforts,
        effort=base.effort if base.effort in efforts else None,
        off_efforts=tuple(e for e in base.off_efforts if e in efforts),
        compacts=_supported(managed, "compact_20260112") if managed else base.compacts,
        retires=retires(str(info["id"]), info.get("retires_at")),
    )


def retires(model: str, listed: Any = None) -> str | None:
    """The ISO date after which a model is gone: as the Models API tells, else the SDK's own data, else the built-in table.

    Parameters
    ----------
    listed
        `retires_at` of the model's `ModelInfo`.
    """
    if listed:
        return str(listed)[:10]
    return _deprecated().get(model) or facts(model).retires


@functools.cache
def _deprecated() -> Mapping[str, str]:
    """The SDK's list of models that end, as model → ISO date; empty if it is kept elsewhere or written otherwise."""
    try:
        from anthropic._data import DEPRECATED_MODELS

        return {str(model): _iso(str(words)) for model, words in DEPRECATED_MODELS.items()}
    except (ImportError, AttributeError, ValueError):
        return {}


def _iso(words: str) -> str:
    """`January 22nd, 2027` → `2027-01-22`; the month by its English name, whatever the locale."""
    match = re.fullmatch(r"([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?, (\d{4})", words)
    if match is None:
        return datetime.fromisoformat(words).date().isoformat()
    month = _MONTHS.index(match[1]) // 3 + 1
    return date(int(match[3]), month, int(match[2])).isoformat()


def _can_rest(types: tuple[str, ...]) -> bool:
    return "disabled" in types or "between_tools" in types


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _supported(leaves: Mapping[str, Any], name: str) -> bool:
    return bool(_mapping(leaves.get(name)).get("supported"))
