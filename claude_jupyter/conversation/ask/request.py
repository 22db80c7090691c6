"""A question → the request that is sent. Pure: what a model does not take is refused here, before anything leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from claude_jupyter.client.events import Request
from claude_jupyter.conversation import window
from claude_jupyter.conversation.history import UNSET, Sent, System, Turns, sent
from claude_jupyter.conversation.measure import tokens_of, tokens_of_json
from claude_jupyter.costs.usage import Usage
from claude_jupyter.errors import ContentTooLargeError, UsageError
from claude_jupyter.models import Model, facts
from claude_jupyter.options import Options
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Attachment, Block, Message

TTL = Literal["5m", "1h"]

OLD_VERSION = "2023-06-01"
"""API version under which models up to 4.6 still take `temperature`."""

LEAST_THINKING = 1024
"""The service's least budget of thinking that is given one, in tokens; the answer has to be longer."""

_SAMPLING = ("top_p", "top_k")
_LARGEST = 32 * 1024 * 1024
_CALL_EXTRAS = ("timeout", "extra_headers", "extra_body", "extra_query")
_WEB_SEARCH: Block = {
    "type": "web_search_20260318",
    "name": "web_search",
    "max_uses": 8,
    "allowed_callers": ["direct"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that makes a request.

    Attributes
    ----------
    content
        The blocks of the new user message: attachments (images first), then the prompt; or tool results.
    earlier
        The turns it follows, as `history.live` gives them.
    system, default_system
        The system prompt in force, and the one where no turn sets any.
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
    apart
        One of many alike (`claude.map`): nothing follows it, so only what they share is written to the cache.
    """

    prompt: str
    content: tuple[Block, ...]
    attachments: tuple[Attachment, ...] = ()
    options: Options
    earlier: Turns = ()
    model: str
    system: str = ""
    default_system: System = UNSET
    tools: tuple[Block, ...] = ()
    format: Mapping[str, Any] | None = None
    ttl: TTL | None = "5m"
    warm: bool = False
    condensable: bool = False
    left_out: int = 0
    expired: bool = False
    apart: bool = False


def prompt_of(question: Question) -> Usage:
    """The tokens of the prompt as they are likely to be billed."""
    earlier = sum(t.tokens for t in window.carried(question.earlier))
    fixed = (
        tokens_of_json(question.system)
        + tokens_of_json(list(question.tools))
        + tokens_of_json(question.format)
    )
    own = tokens_of([{"role": "user", "content": question.content}], question.attachments)
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


Built = tuple[Request, Sent, tuple[str, ...]]
"""A request, what of the history it carries, and notes for the answer."""


def build(question: Question, settings: Settings, rounds: Sequence[Message] = ()) -> Built:
    """The request, what of the history it carries, and notes for the answer.

    Parameters
    ----------
    rounds
        Assistant and tool-result messages of this question so far.

    Raises
    ------
    UsageError
        For an option that the model does not take, naming what it takes.
    ContentTooLargeError
        Where the request would pass 32 MB.
    """
    options, model = question.options, facts(question.model)
    notes: list[str] = []
    tools: list[Block] = [*question.tools, *([_WEB_SEARCH] if options.web else [])]
    # Thinking is bound to the tools as they are sent: `--param tools=` adds to them below.
    added = options.param.get("tools")
    history = sent(question.earlier, question.system, [*tools, added] if added else tools)
    own: list[Message] = [{"role": "user", "content": list(question.content)}, *rounds]
    params: dict[str, Any] = {
        "model": question.model,
        "max_tokens": _max_tokens(options, settings, model),
        "messages": cached([*history.messages, *own], None if question.apart else question.ttl),
    }
    if question.system:
        params["system"] = [_marked({"type": "text", "text": question.system}, question.ttl)]
    if tools:
        params["tools"] = tools if question.system else [*tools[:-1], _marked(tools[-1], question.ttl)]
    config = _output_config(question, settings, model, notes)
    if config:
        params["output_config"] = config
    thinking = _thinking(options, settings, model, notes)
    if thinking:
        params["thinking"] = thinking
    if options.stop:
        params["stop_sequences"] = list(options.stop)
    condense, condense_betas = window.edits(question, settings)
    params |= condense
    notes.extend(filter(None, [window.told(question)]))
    extra = _extra(options, model, params)
    betas = tuple(dict.fromkeys((*extra.pop("betas", ()), *condense_betas)))
    if _size(params) > _LARGEST:
        raise ContentTooLargeError(
            f"The request would be {_size(params) / 1e6:.0f} MB; the API takes 32 MB. Attach less, or begin afresh with -n."
        )
    return Request(params, betas, extra), history, tuple(notes)


def cached(messages: Sequence[Message], ttl: TTL | None) -> list[Message]:
    """The messages with cache breakpoints on the last two user messages.

    The last is written for the next request; the one before is where the previous request wrote, so it is read whatever the
    number of blocks between (the service looks back 20 at most). System and tools take a third; four are allowed.
    """
    marked = list(messages)
    if ttl is None:
        return marked
    users = [i for i, m in enumerate(marked) if m["role"] == "user"][-2:]
    for i in users:
        content = marked[i]["content"]
        marked[i] = {**marked[i], "content": [*content[:-1], _marked(content[-1], ttl)]}
    return marked


def _marked(block: Block, ttl: TTL | None) -> Block:
    if ttl is None:
        return block
    control = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    return {**block, "cache_control": control}


def _max_tokens(options: Options, settings: Settings, model: Model) -> int:
    if options.max_tokens is not None and options.max_tokens > model.max_output:
        raise UsageError(f"{model.id} answers with at most {model.max_output:,} tokens (--max-tokens).")
    return min(options.max_tokens or settings.max_tokens, model.max_output)


def _output_config(question: Question, settings: Settings, model: Model, notes: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    effort = question.options.effort or settings.effort
    if effort and effort in model.efforts:
        config["effort"] = effort
    elif effort and question.options.effort:
        if not model.efforts:
            raise UsageError(f"{model.id} takes no --effort: leave it out, or choose another model with -m.")
        raise UsageError(f"{model.id} takes --effort {', '.join(model.efforts)}, not {effort}.")
    elif effort:
        notes.append(f"The setting effort = {effort} was left out: {model.id} does not take it.")
    if question.format is not None:
        config["format"] = {"type": "json_schema", "schema": question.format}
    return config


def _thinking(options: Options, settings: Settings, model: Model, notes: list[str]) -> dict[str, Any] | None:
    wish = options.thinking or settings.thinking
    if wish == "off":
        return _thinking_off(options, settings, model, notes)
    if model.thinks == "off" and not options.thinking:
        return (
            None  # it does not think unless told to, and a setting made for others is no order to pay for it
        )
    display = "summarized" if wish == "show" else "omitted"
    if "adaptive" in model.thinking:
        return {"type": "adaptive", "display": display}
    if wish == "hide":
        return None
    limit = _max_tokens(options, settings, model)
    if limit <= LEAST_THINKING:
        raise UsageError(
            f"{model.id} thinks with at least {LEAST_THINKING:,} tokens: give it more --max-tokens."
        )
    return {"type": "enabled", "budget_tokens": max(LEAST_THINKING, limit // 2)}


def _thinking_off(
    options: Options, settings: Settings, model: Model, notes: list[str]
) -> dict[str, Any] | None:
    if model.thinks == "off":
        return None
    least = next((t for t in ("disabled", "between_tools") if t in model.thinking), None)
    if least is None:
        notes.append(f"{model.id} always thinks: it cannot be off, --effort low makes it think least.")
        return {"type": "adaptive", "display": "omitted"}
    effort = options.effort or settings.effort or model.effort
    if effort and effort not in model.off_efforts:
        raise UsageError(
            f"{model.id} takes --thinking off only with --effort {', '.join(model.off_efforts)}, not {effort}."
        )
    if least == "between_tools":
        notes.append(f"{model.id} cannot stop thinking altogether: it thinks only between tool calls now.")
    return {"type": least}


def _extra(options: Options, model: Model, params: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for key, value in options.param.items():
        if key in (*_CALL_EXTRAS, "betas"):
            extra[key] = value
        elif isinstance(value, Mapping) and isinstance(params.get(key), dict):
            params[key] = {**params[key], **value}
        elif isinstance(value, list) and isinstance(params.get(key), list):
            params[key] = [*params[key], *value]
        else:
            params[key] = value
    sampling = {key: params.pop(key) for key in _SAMPLING if key in params}
    if options.temperature is not None:
        sampling["temperature"] = options.temperature
    if sampling:
        if not model.temperature:
            name = "--temperature" if "temperature" in sampling else next(iter(sampling))
            raise UsageError(f"{model.id} no longer takes {name}; say in the prompt how varied to be.")
        extra["extra_headers"] = {**extra.get("extra_headers", {}), "anthropic-version": OLD_VERSION}
        extra["extra_body"] = {**extra.get("extra_body", {}), **sampling}
    return extra


def _size(params: Mapping[str, Any]) -> int:
    """Bytes of the request, roughly from below: base64 data and texts are nearly all of it."""
    return sum(_weight(b) for m in params["messages"] for b in m["content"])


def _weight(block: Any) -> int:
    if not isinstance(block, Mapping):
        return 0
    source = block.get("source")
    if isinstance(source, Mapping):
        return len(source.get("data") or source.get("url") or "")
    content = block.get("content")
    nested = sum(map(_weight, content)) if isinstance(content, list) else len(content or "")
    return nested + len(block.get("text") or block.get("thinking") or "")
