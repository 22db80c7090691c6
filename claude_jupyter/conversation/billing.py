"""What a question costs, on its way through: a ledger row for every request, its price, and the budgets asked before it.

The ledger, prices and budgets themselves are `costs/`; this joins them to a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from claude_jupyter.client.events import Reply, Request
from claude_jupyter.conversation.request import LEAST_THINKING, Question, prompt_of
from claude_jupyter.costs import budget
from claude_jupyter.costs.calls import UNBILLED, Accounts, Call, Outcome, Spent
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, cell_hash


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
    count
        Prompt tokens by the service's own counting; None where it cannot be asked.
    """

    settings: Settings
    accounts: Accounts | None
    owner: Owner
    provider: Callable[[], str]
    cell: Callable[[], str | None] = lambda: None
    count: Callable[[Request], int | None] = lambda _request: None

    def open(
        self,
        request: Request,
        answer: Answer,
        question: Question,
        *,
        cell: str | None = None,
        replayed: bool = False,
    ) -> tuple[Request, Bill]:
        """Write down that a request starts.

        Parameters
        ----------
        cell
            The cell that asked; it need not be the one that runs now.

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
            provider="replay" if replayed else self.provider(),
            user=self.owner.user,
            kernel=self.owner.kernel,
            notebook=self.owner.notebook,
            cell=cell_hash(cell) if cell else None,
            chat=answer.chat,
            turn=answer.turn,
            at=datetime.now(UTC),
        )
        row: str | None = None
        accounts = self.accounts
        if accounts is not None:
            budgets = budget.Budgets.of(self.settings)
            if budgets != budget.Budgets() and call.provider not in UNBILLED:
                wanted = self.estimate(request, question, counted=True)
                row, allowed = budget.admit(accounts, call, budgets, wanted, overrides=self.settings.prices)
                request = clamped(request, allowed)
            else:
                row = accounts.start(call)
        return request, Bill(self, accounts, call, row, request.params, question.ttl or "5m")

    def estimate(
        self, request: Request, question: Question, *, counted: bool = False, exact: int | None = None
    ) -> budget.Estimate:
        """What a request is likely to cost.

        Parameters
        ----------
        counted
            Ask the service to count the prompt (free), where it can; else it is estimated.
        exact
            Its tokens where they were counted already.
        """
        prompt = prompt_of(question)
        if exact is None and counted and self.provider() not in UNBILLED:
            exact = self.count(request)
        if exact is not None and prompt.prompt:
            prompt = _scaled(prompt, exact)
        return budget.estimate(
            question.model,
            prompt,
            int(request.params["max_tokens"]),
            ttl=question.ttl or "5m",
            speed=request.params.get("speed"),
            geo=request.params.get("inference_geo"),
            overrides=self.settings.prices,
        )

    def ask_first(self, request: Request, question: Question, ask: Callable[[str], bool | None]) -> None:
        """Refuse what a budget will not allow, and ask about what may cost more than `confirm_above`, before anything is shown.

        Raises
        ------
        BudgetError
            As the budgets say, or where the user said no or nobody could be asked.
        """
        if self.provider() in UNBILLED:
            return
        budgets = budget.Budgets.of(self.settings)
        wanted = self.estimate(request, question)
        if self.accounts is not None:
            budget.check(self._spent(), budgets, wanted, overrides=self.settings.prices)

        def answered(text: str) -> bool:
            said = ask(text)
            if said is None:
                budget.confirm(wanted, self.settings.confirm_above, None)
            return bool(said)

        budget.confirm(wanted, self.settings.confirm_above, answered)

    def warning(self) -> str | None:
        """A word from 80 % of a budget on."""
        budgets = budget.Budgets.of(self.settings)
        if self.accounts is None or budgets == budget.Budgets():
            return None
        return budget.warning(self._spent(), budgets)

    def _spent(self) -> Spent:
        assert self.accounts is not None
        owner = self.owner
        return self.accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user)

    def price(self, usage: Usage, question: Question) -> Cost | None:
        """What these tokens cost at list price by the question's model."""
        from claude_jupyter.costs.prices import price

        return price(
            usage, question.model, ttl=question.ttl or "5m", overrides=self.settings.prices, estimated=True
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """One request under way, to be closed once, in the ledger in which it was opened."""

    books: Books
    accounts: Accounts | None
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
        billed = usage and not _declined(reply) and self.call.provider != "replay"
        cost = (
            prices.price(usage, self.call.model, estimated=not reply.complete, **told) if billed else Cost()
        )
        if self.row is not None and self.accounts is not None:
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
                price_date=prices.priced_on(self.call.model, self.call.at, told["overrides"]),
            )
            self.accounts.finish(self.row, outcome)
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


def _scaled(prompt: Usage, exact: int) -> Usage:
    """The same split of a prompt, with as many tokens as were counted."""
    read = round(prompt.cache_read * exact / prompt.prompt)
    new = exact - read
    return replace(
        prompt,
        cache_read=read,
        input=new if prompt.input else 0,
        cache_write_5m=new if prompt.cache_write_5m else 0,
        cache_write_1h=new if prompt.cache_write_1h else 0,
    )


def clamped(request: Request, max_tokens: int) -> Request:
    """The request with a shorter answer allowed; thinking that has a budget of its own has to fit into it."""
    params: dict[str, Any] = {**request.params, "max_tokens": max_tokens}
    thinking = params.get("thinking") or {}
    if int(thinking.get("budget_tokens") or 0) >= max_tokens:
        if max_tokens > LEAST_THINKING:
            params["thinking"] = {**thinking, "budget_tokens": max(LEAST_THINKING, max_tokens // 2)}
        else:
            del params["thinking"]
    return replace(request, params=params)
