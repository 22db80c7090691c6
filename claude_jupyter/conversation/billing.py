"""Bills a question: checks the budgets before each request, and writes its ledger row and price.

The ledger, prices and budgets themselves are `costs/`; this joins them to a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from claude_jupyter.answer.model import Answer, cell_hash
from claude_jupyter.client.events import Reply, Request
from claude_jupyter.conversation.ask.question import Question, prompt_of
from claude_jupyter.conversation.ask.request import LEAST_THINKING
from claude_jupyter.costs import budget
from claude_jupyter.costs.ledger.calls import UNBILLED, Accounts, Call, CallOutcome, Spent
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.settings import Settings


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose requests these are: the columns of the ledger that do not change in a kernel."""

    user: str = ""
    kernel: str = ""
    notebook: str | None = None


@dataclass
class Billing:
    """The ledger and the prices of one kernel.

    Attributes
    ----------
    accounts
        The ledger.
    cell
        The hash of the cell that runs, for the ledger.
    count
        Prompt tokens by the service's own counting; None if it cannot be asked.
    """

    settings: Settings
    accounts: Accounts
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
        mark: str = "",
    ) -> tuple[Request, Bill]:
        """Record that a request starts.

        Parameters
        ----------
        cell
            The cell that asked; it need not be the one that runs now.
        mark
            What its row says instead of why it ended.

        Returns
        -------
        The request, its `max_tokens` clamped to what the budgets leave, and its bill.

        Raises
        ------
        BudgetError
            If a budget does not allow it; nothing was sent.
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
        accounts, budgets = self.accounts, budget.Budgets.of(self.settings)
        if budgets != budget.Budgets() and call.provider not in UNBILLED:
            estimate = self.estimate(request, question, counted=True)
            row, allowed = budget.admit(accounts, call, budgets, estimate, overrides=self.settings.prices)
            request = clamped(request, allowed)
        else:
            row = accounts.start(call)
        return request, Bill(self, accounts, call, row, request.params, question.ttl or "5m", mark)

    def estimate(
        self, request: Request, question: Question, *, counted: bool = False, exact: int | None = None
    ) -> budget.Estimate:
        """What a request is likely to cost.

        Parameters
        ----------
        counted
            Ask the service to count the prompt (free), if it can; else it is estimated.
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
        estimate = self.estimate(request, question)
        budget.check(self._spent(), budgets, estimate, overrides=self.settings.prices)

        def answered(text: str) -> bool:
            answer = ask(text)
            if answer is None:
                budget.confirm(estimate, self.settings.confirm_above, None)
            return bool(answer)

        budget.confirm(estimate, self.settings.confirm_above, answered)

    def warning(self) -> str | None:
        """A warning once 80 % of a budget is spent."""
        budgets = budget.Budgets.of(self.settings)
        return None if budgets == budget.Budgets() else budget.warning(self._spent(), budgets)

    def _spent(self) -> Spent:
        owner = self.owner
        return self.accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user)

    def price(self, usage: Usage, question: Question) -> Cost | None:
        """The list price of these tokens by the question's model."""
        return self.list_price(usage, question.model, question.ttl or "5m")

    def list_price(self, usage: Usage, model: str, ttl: Literal["5m", "1h"] = "5m") -> Cost | None:
        """The list price of these tokens."""
        from claude_jupyter.costs.prices import price

        return price(usage, model, ttl=ttl, overrides=self.settings.prices, estimated=True)


@dataclass(frozen=True, slots=True)
class Bill:
    """One request in progress, to be closed once, in the ledger in which it was opened."""

    billing: Billing
    accounts: Accounts
    call: Call
    row: str
    params: Mapping[str, Any]
    ttl: Literal["5m", "1h"]
    mark: str = ""

    def close(self, reply: Reply, usage: Mapping[str, Any]) -> tuple[Usage, Cost | None]:
        """Complete the row; the tokens and price of this request.

        Parameters
        ----------
        usage
            The service's own usage; of an unfinished answer with the output estimated.
        """
        from claude_jupyter.costs import prices

        counted = Usage.from_wire(usage, ttl=self.ttl)
        terms: dict[str, Any] = {
            "at": self.call.at,
            "ttl": self.ttl,
            "speed": self.params.get("speed"),
            "geo": self.params.get("inference_geo"),
            "overrides": self.billing.settings.prices,
        }
        reported = bool(usage) or reply.silent
        billed = reported and not _declined(reply) and self.call.provider != "replay"
        cost = (
            prices.price(usage, self.call.model, estimated=not reply.complete, **terms) if billed else Cost()
        )
        outcome = CallOutcome(
            usage=counted,
            cost=cost,
            estimated=not reply.complete and reported,
            complete=reply.complete,
            stop_reason=self.mark or _reason(reply),
            ttft=reply.ttft,
            seconds=reply.seconds,
            request_id=reply.request_id,
            service_tier=usage.get("service_tier"),
            usage_json=usage or None,
            price_date=prices.priced_on(self.call.model, self.call.at, terms["overrides"]),
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
