"""What a question would carry and cost: `--dry-run`, `claude.count`, and `Answer.sent`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_jupyter.client.events import Request
from claude_jupyter.conversation.measure import tokens_of_json
from claude_jupyter.conversation.request import Question, build
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.usage import dollars
from claude_jupyter.errors import ClaudeError
from claude_jupyter.turns import Answer, Receipt

if TYPE_CHECKING:
    from claude_jupyter.conversation.asking import Asking


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
        USD for the prompt; None where it is not known.
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
    world: World, question: Question, request: Request, answer: Answer, notes: tuple[str, ...]
) -> Receipt:
    """The receipt of a request."""
    wanted = world.books.estimate(request, question)
    betas = {"betas": list(request.betas)} if request.betas else {}
    return Receipt(
        model=question.model,
        provider=answer.provider,
        chat=answer.chat,
        prompt=question.prompt,
        attachments=question.attachments,
        parts=tuple(_parts(question)),
        least=wanted.least,
        most=wanted.most,
        max_tokens=wanted.max_tokens,
        request={**request.params, **betas},
        notes=notes,
    )


def dry_run(asking: Asking) -> Receipt:
    """The receipt of a question that is not sent."""
    world, question = asking.world, asking.question
    request, _, notes = asking.built or build(question, world.settings)
    return receipt(world, question, request, asking.answer, (*asking.notes, *notes))


def counted(world: World, asking: Asking) -> Counted:
    """Tokens and price of a prepared question: counted by the service, or estimated where it cannot be asked."""
    question = asking.question
    request, _, _ = asking.built or build(question, world.settings)
    wanted = world.books.estimate(request, question)
    if world.service.provider == "demo" or not world.service.reachable:
        return Counted(wanted.prompt.prompt, False, wanted.least, wanted.most)
    try:
        exact = world.service.count(request)
    except ClaudeError:
        return Counted(wanted.prompt.prompt, False, wanted.least, wanted.most)
    wanted = world.books.estimate(request, question, exact=exact)
    return Counted(exact, True, wanted.least, wanted.most)


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
        yield "schema of the answer", tokens_of_json(question.format)
    yield "question", tokens_of_json(question.prompt) + 4
