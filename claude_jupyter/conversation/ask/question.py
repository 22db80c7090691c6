"""A question ready to be sent: everything its request is built from, and an estimate of its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.conversation.estimate_tokens import tokens_of, tokens_of_json
from claude_jupyter.conversation.history import UNSET, System, Turns, carried
from claude_jupyter.costs.usage import TTL, Usage
from claude_jupyter.models import Model
from claude_jupyter.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that makes a request.

    Attributes
    ----------
    content
        The blocks of the new user message: attachments (images first), then the prompt; or tool results.
    passing
        Blocks that go before the prompt in this turn only (the kernel's inventory): later turns do not carry them.
    earlier
        The turns it follows, as `history.live` gives them.
    system, default_system
        The system prompt in force, and the one where no turn sets any.
    model, facts
        The model by the name that is sent, and what it takes.
    tools
        Tool definitions as the API takes them.
    format
        JSON schema of a structured answer, or None.
    ttl
        How long cache entries are to live; None: no caching.
    warm
        Whether the earlier turns are likely to be read from the cache.
    condensable
        Whether the provider can condense a conversation that outgrows the context.
    left_out
        How many of the oldest turns are not sent because the context does not hold them.
    expired
        Whether a pause since the last question was longer than its cache entries live.
    step
        The step of a work that Claude is told of: `step 2 (Clean weather)`; "" for other questions.
    apart
        One of many alike (`claude.map`): nothing follows it, so only what they share is written to the cache.
    """

    prompt: str
    content: tuple[Block, ...]
    attachments: tuple[Attachment, ...] = ()
    passing: tuple[Block, ...] = ()
    options: Options
    earlier: Turns = ()
    model: str
    facts: Model
    system: str = ""
    default_system: System = UNSET
    tools: tuple[Block, ...] = ()
    format: Mapping[str, Any] | None = None
    ttl: TTL | None = "5m"
    warm: bool = False
    condensable: bool = False
    left_out: int = 0
    expired: bool = False
    step: str = ""
    apart: bool = False


def prompt_of(question: Question) -> Usage:
    """The tokens of the prompt as they are likely to be billed."""
    earlier = sum(t.tokens for t in carried(question.earlier))
    fixed = (
        tokens_of_json(question.system)
        + tokens_of_json(list(question.tools))
        + tokens_of_json(question.format)
    )
    content = (*question.passing, *question.content)
    own = tokens_of([{"role": "user", "content": content}], question.attachments)
    if question.ttl is None or question.apart:
        return Usage(input=earlier + fixed + own)
    read, new = (earlier + fixed, own) if question.warm else (0, earlier + fixed + own)
    return (
        Usage(cache_read=read, cache_write_1h=new)
        if question.ttl == "1h"
        else Usage(cache_read=read, cache_write_5m=new)
    )


def content_of(prompt: str, attachments: Sequence[Attachment]) -> tuple[Block, ...]:
    """The new user message: images first (the API reads them best so), then other attachments, the prompt last."""
    images = [b for a in attachments if a.kind == "image" for b in a.blocks]
    others = [b for a in attachments if a.kind != "image" for b in a.blocks]
    return (*images, *others, {"type": "text", "text": prompt})
