"""The hint that a question was asked before (once per notebook), because paying twice for the same answer is easily overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from claude_jupyter.answer.model import Answer, Message
from claude_jupyter.client.events import Request
from claude_jupyter.conversation.history import digest_of
from claude_jupyter.costs.usage import dollars

_APART = ("messages", "system", "tools", "max_tokens")


def options_digest(request: Request) -> str:
    """How a request asks: effort, format, thinking … (`max_tokens` a budget may have clamped); equal for equal options."""
    plain = {k: v for k, v in request.params.items() if k not in _APART}
    return digest_of([plain, list(request.betas), request.extra.get("extra_body") or {}])


def question_key(options_digest: str, prefix: str, question: Message) -> str:
    """What makes two questions the same: how they ask, everything before, and the question with what it points at."""
    return digest_of([options_digest, prefix, question])


@dataclass
class Repeats:
    """The questions of one notebook that were answered and paid for.

    Attributes
    ----------
    earlier
        Those of earlier kernels: (key, USD), read when first needed.
    """

    earlier: Callable[[], Iterable[tuple[str, Decimal]]] = tuple
    _paid: dict[str, Decimal] | None = field(default=None, init=False)
    _hinted: bool = field(default=False, init=False)

    def hint(self, key: str, answer: Answer) -> str | None:
        """Take note of an answer; a line if the same question was paid for before, once."""
        if self._paid is None:
            self._paid = dict(self.earlier())
        before = self._paid.get(key)
        if answer.complete and answer.billed and answer.cost is not None:
            self._paid[key] = Decimal(answer.cost)
        if before is None or self._hinted or not answer.billed or not answer.complete:
            return None
        self._hinted = True
        return (
            f'Asked before, for {dollars(before)}. With `%config ClaudeMagics.replay = "auto"` the answer would be recorded '
            "and reused for $0."
        )


def earlier_keys(entries: Iterable[Mapping[str, object]]) -> Iterable[tuple[str, Decimal]]:
    """(key, USD) of journal entries that have both."""
    for entry in entries:
        key, usd = entry.get("asked"), entry.get("usd")
        if isinstance(key, str) and isinstance(usd, str):
            with suppress(InvalidOperation):  # edited by hand
                yield key, Decimal(usd)
