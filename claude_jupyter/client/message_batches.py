"""The Message Batches API: half the price, done within a day. Only the calls; what they are for is `conversation/batches.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from claude_jupyter.client.errors import translate
from claude_jupyter.client.events import Request
from claude_jupyter.client.platforms import PLATFORMS
from claude_jupyter.client.service import Service
from claude_jupyter.errors import UsageError

MOST: Final = 100_000
"""Requests in one batch."""
LARGEST: Final = 240 * 1024 * 1024
"""Bytes in one batch; the service takes 256 MB."""


class Item(NamedTuple):
    """One request of a batch, as it is sent."""

    id: str
    params: Mapping[str, Any]
    betas: tuple[str, ...]

    @classmethod
    def of(cls, name: str, request: Request) -> Item:
        """A request as an item.

        Raises
        ------
        UsageError
            For headers, which a batch cannot carry.
        """
        extra = dict(request.extra)
        body = extra.pop("extra_body", None) or {}
        extra.pop("timeout", None)
        if extra:
            raise UsageError(
                f"a batch takes no {next(iter(extra)).replace('_', ' ')} (nor temperature, which needs one): ask without batch"
            )
        return cls(name, {**request.params, **body}, request.betas)

    @property
    def size(self) -> int:
        """Bytes on the wire, nearly."""
        return len(json.dumps(self.params, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 100


class Line(NamedTuple):
    """One result: the message, or why there is none."""

    id: str
    message: Mapping[str, Any] | None
    problem: str | None


def create(service: Service, items: Sequence[Item]) -> dict[str, Any]:
    """Send one batch; what the service says of it.

    Raises
    ------
    ClaudeError
        As for a question; `UsageError` where the provider has no batches.
    """
    betas = sorted({b for item in items for b in item.betas})
    requests = [{"custom_id": item.id, "params": dict(item.params)} for item in items]
    model = str(items[0].params["model"])
    extra = {"betas": betas} if betas else {}
    return _told(service, model, lambda: _api(service, betas).create(requests=requests, **extra).to_dict())


def info(service: Service, name: str) -> dict[str, Any]:
    """What the service says of a batch now.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    return _told(service, "", lambda: _api(service).retrieve(name).to_dict())


def cancel(service: Service, name: str) -> dict[str, Any]:
    """Ask to end a batch early; what is done by then stays.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    return _told(service, "", lambda: _api(service).cancel(name).to_dict())


def results(service: Service, name: str) -> Iterator[Line]:
    """The results of a batch that has ended, in any order, one at a time.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    lines = _told(service, "", lambda: iter(_api(service).results(name)))
    while True:
        line = _told(service, "", lambda: next(lines, None))
        if line is None:
            return
        data = line.to_dict(warnings=False)
        yield _line(str(data["custom_id"]), data["result"])


def _line(name: str, result: Mapping[str, Any]) -> Line:
    kind = result.get("type")
    if kind == "succeeded":
        return Line(name, result["message"], None)
    if kind == "errored":
        inner = result.get("error") or {}
        inner = inner.get("error") or inner
        return Line(name, None, str(inner.get("message") or inner.get("type") or "The service failed."))
    told = {"expired": "Not done within 24 hours.", "canceled": "Canceled before it was asked."}
    return Line(name, None, told.get(str(kind), f"No result ({kind})."))


def _api(service: Service, betas: Sequence[str] = ()) -> Any:
    platform = PLATFORMS.get(service.provider)
    if platform is not None and not platform.batches:
        raise UsageError(f"{platform.title} has no message batches: map without batch=True")
    client = service.client
    messages = client.beta.messages if betas else client.messages
    return messages.batches


def _told(service: Service, model: str, call: Any) -> Any:
    from claude_jupyter.errors import ClaudeError

    try:
        return call()
    except ClaudeError:
        raise
    except Exception as error:
        raise translate(error, model=model, provider=service.provider) from None
