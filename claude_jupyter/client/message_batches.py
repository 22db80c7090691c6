"""The Message Batches API: half the price, done within a day. Only the calls; `conversation/map/batches.py` uses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from claude_jupyter.client.events import Request
from claude_jupyter.client.network import same_origin
from claude_jupyter.client.sdk_errors import translate
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import apart
from claude_jupyter.encodable import encodable_all
from claude_jupyter.errors import APIConnectionError, UsageError
from claude_jupyter.providers import named

T = TypeVar("T")

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
                f"a batch does not accept {next(iter(extra)).replace('_', ' ')} (or temperature, which needs one): leave out batch=True"
            )
        return cls(name, {**request.params, **body}, request.betas)

    @property
    def size(self) -> int:
        """Bytes on the wire, nearly."""
        return len(json.dumps(self.params, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 100


class ResultLine(NamedTuple):
    """One result: the message, or why there is none."""

    id: str
    message: Mapping[str, Any] | None
    problem: str | None


def create(service: Service, items: Sequence[Item], keep: Callable[[str], T]) -> T:
    """Send one batch, and `keep` its id on the request's own thread, so that a stop meanwhile does not lose what will be billed.

    Raises
    ------
    ClaudeError
        As for a question; `UsageError` where the provider has no batches.
    """
    betas = sorted({b for item in items for b in item.betas})
    requests = [{"custom_id": item.id, "params": encodable_all(dict(item.params))} for item in items]
    model = str(items[0].params["model"])
    extra = {"betas": betas} if betas else {}
    return _translated(
        service, model, lambda: keep(str(_api(service, betas).create(requests=requests, **extra).id))
    )


def info(service: Service, name: str) -> dict[str, Any]:
    """What the service says of a batch now.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    return _translated(service, "", lambda: _api(service).retrieve(name).to_dict())


def cancel(service: Service, name: str) -> dict[str, Any]:
    """Ask to end a batch early; what is done by then stays.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    return _translated(service, "", lambda: _api(service).cancel(name).to_dict())


def results(service: Service, name: str) -> Iterator[ResultLine]:
    """The results of a batch that has ended, in any order, one at a time.

    Raises
    ------
    ClaudeError
        As for a question.
    """
    url = _translated(service, "", lambda: _api(service).retrieve(name).results_url)
    if url and not same_origin(str(service.client.base_url.join(url)), str(service.client.base_url)):
        raise APIConnectionError(
            f"The results of batch {name} are at an unexpected address ({url[:80]}), so they were not fetched."
        )
    lines = _translated(service, "", lambda: iter(_api(service).results(name)))
    while True:
        line = _translated(service, "", lambda: next(lines, None))
        if line is None:
            return
        data = line.to_dict(warnings=False)
        yield _line(str(data["custom_id"]), data["result"])


def _line(name: str, result: Mapping[str, Any]) -> ResultLine:
    kind = result.get("type")
    if kind == "succeeded":
        return ResultLine(name, result["message"], None)
    if kind == "errored":
        inner = result.get("error") or {}
        inner = inner.get("error") or inner
        return ResultLine(name, None, str(inner.get("message") or inner.get("type") or "The service failed."))
    reasons = {"expired": "Not finished within 24 hours.", "canceled": "Canceled before it ran."}
    return ResultLine(name, None, reasons.get(str(kind), f"No result ({kind})."))


def _api(service: Service, betas: Sequence[str] = ()) -> Any:
    provider = named(service.provider)
    if not provider.batches:
        raise UsageError(f"{provider.title} has no message batches: leave out batch=True")
    client = service.client
    messages = client.beta.messages if betas else client.messages
    return messages.batches


def _translated(service: Service, model: str, call: Callable[[], T]) -> T:
    from claude_jupyter.errors import ClaudeError

    try:
        return apart(call)
    except ClaudeError:
        raise
    except Exception as error:
        raise translate(error, model=model) from None
