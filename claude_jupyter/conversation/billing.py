"""What a question costs, on its way through: a ledger row for every request, its price, and the budgets asked before it.

The ledger, prices and budgets themselves are `costs/`; this joins them to a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from claude_jupyter.client.service import Reply, Request
from claude_jupyter.conversation.request import Question
from claude_jupyter.costs.calls import Accounts, Call, Outcome
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose requests these are: the columns of the ledger that do not change in a kernel."""

    user: str = ""
    kernel: str = ""
    notebook: str | None = None


@dataclass
class Books:
    """The ledger and the prices of one kernel.

    Attributes
    ----------
    accounts
        The ledger; None where it cannot be written (said once, when it failed).
    cell
        The hash of the cell that runs, for the ledger.
    """

    settings: Settings
    accounts: Accounts | None
    owner: Owner
    provider: Callable[[], str]
    cell: Callable[[], str | None] = lambda: None

    def open(self, request: Request, answer: Answer, question: Question) -> tuple[Request, Bill]:
        """Write down that a request starts.

        Returns
        -------
        The request, its `max_tokens` clamped to what the budgets leave, and its bill.

        Raises
        ------
        BudgetError
            Where a budget does not allow it; nothing was sent.
        """
        call = Call(
            model=question.model,
            provider=self.provider(),
            user=self.owner.user,
            kernel=self.owner.kernel,
            notebook=self.owner.notebook,
            cell=self.cell(),
            chat=answer.chat,
            turn=answer.turn,
            at=datetime.now(UTC),
        )
        row = self.accounts.start(call) if self.accounts is not None else None
        return request, Bill(self, call, row, request.params, question.ttl or "5m")

    def price(self, usage: Usage, question: Question) -> Cost | None:
        """What these tokens cost at list price by the question's model."""
        from claude_jupyter.costs.prices import price

        return price(
            usage, question.model, ttl=question.ttl or "5m", overrides=self.settings.prices, estimated=True
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """One request under way, to be closed once."""

    books: Books
    call: Call
    row: str | None
    params: Mapping[str, Any]
    ttl: Literal["5m", "1h"]

    def close(self, reply: Reply, usage: Mapping[str, Any]) -> tuple[Usage, Cost | None]:
        """Complete the row; the tokens and price of this request.

        Parameters
        ----------
        usage
            The service's own usage; of an unfinished answer with the output estimated.
        """
        from claude_jupyter.costs import prices

        counted = Usage.from_wire(usage, ttl=self.ttl)
        told: dict[str, Any] = {
            "at": self.call.at,
            "ttl": self.ttl,
            "speed": self.params.get("speed"),
            "geo": self.params.get("inference_geo"),
            "overrides": self.books.settings.prices,
        }
        billed = usage and not _declined(reply)
        cost = (
            prices.price(usage, self.call.model, estimated=not reply.complete, **told) if billed else Cost()
        )
        if self.row is not None and self.books.accounts is not None:
            outcome = Outcome(
                usage=counted,
                cost=cost,
                estimated=not reply.complete and bool(usage),
                complete=reply.complete,
                stop_reason=_reason(reply),
                ttft=reply.ttft,
                seconds=reply.seconds,
                request_id=reply.request_id,
                service_tier=usage.get("service_tier"),
                usage_json=usage or None,
                price_date=prices.price_date(),
                saved=prices.savings(usage, self.call.model, **told) if usage else Cost(),
                thinking_cost=prices.thinking_cost(usage, self.call.model, **told) if usage else Cost(),
            )
            self.books.accounts.finish(self.row, outcome)
        return counted, cost


def _declined(reply: Reply) -> bool:
    """A refusal before any output is not billed (platform.claude.com, "Handling stop reasons")."""
    return reply.message.get("stop_reason") == "refusal" and not reply.message.get("content")


def _reason(reply: Reply) -> str:
    if reply.complete:
        return str(reply.message.get("stop_reason") or "end_turn")
    if reply.stopped or reply.error is None:
        return "stopped"
    return f"error {reply.error.status}" if reply.error.status else "error"


def clamped(request: Request, max_tokens: int) -> Request:
    """The request with a shorter answer allowed."""
    return replace(request, params={**request.params, "max_tokens": max_tokens})
