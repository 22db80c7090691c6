"""What a question would contain and cost: `--dry-run`, `claude.count`, and `Answer.sent`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from claude_jupyter.answer.model import Answer, Receipt
from claude_jupyter.client.events import Request
from claude_jupyter.conversation.ask.question import Question
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.estimate_tokens import tokens_of_json
from claude_jupyter.costs.usage import dollars
from claude_jupyter.errors import ClaudeError


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of a question, and what they cost.

    Attributes
    ----------
    tokens
        Tokens of the whole prompt, history included.
    exact
        Whether the service counted them; else they are estimated.
    price
        USD for the prompt; None if it is not known.
    most
        USD with the longest answer, too.
    """

    tokens: int
    exact: bool
    price: Decimal | None
    most: Decimal | None

    def __repr__(self) -> str:
        about = "" if self.exact else "about "
        return f"{about}{self.tokens:,} tokens, {dollars(self.price)} to {dollars(self.most)}"


def receipt(
    env: Environment, question: Question, request: Request, answer: Answer, notes: tuple[str, ...]
) -> Receipt:
    """The receipt of a request."""
    estimate = env.billing.estimate(request, question)
    betas = {"betas": list(request.betas)} if request.betas else {}
    return Receipt(
        model=question.model,
        provider=answer.provider,
        chat=answer.chat,
        prompt=question.prompt,
        attachments=question.attachments,
        parts=tuple(_parts(question)),
        least=estimate.least,
        most=estimate.most,
        max_tokens=estimate.max_tokens,
        request={**request.params, **betas},
        notes=notes,
    )


def counted(env: Environment, question: Question, request: Request) -> Counted:
    """Tokens and price of a question: counted by the service, or estimated where it cannot be asked."""
    estimate = env.billing.estimate(request, question)
    if env.service.provider == "demo" or not env.service.reachable:
        return Counted(estimate.prompt.prompt, False, estimate.least, estimate.most)
    try:
        exact = env.service.count(request)
    except ClaudeError:
        return Counted(estimate.prompt.prompt, False, estimate.least, estimate.most)
    estimate = env.billing.estimate(request, question, exact=exact)
    return Counted(exact, True, estimate.least, estimate.most)


def _parts(question: Question) -> Iterator[tuple[str, int]]:
    if question.system:
        yield "system prompt", tokens_of_json(question.system)
    if question.tools:
        count = len(question.tools)
        yield f"{count} tool{'' if count == 1 else 's'}", tokens_of_json(list(question.tools))
    if question.earlier:
        count = len(question.earlier)
        yield f"{count} earlier turn{'' if count == 1 else 's'}", sum(t.tokens for t in question.earlier)
    for a in question.attachments:
        yield a.label, a.tokens
    if question.format:
        yield "answer schema", tokens_of_json(question.format)
    yield "question", tokens_of_json(question.prompt) + 4
