"""A question → the request that is sent. Pure: what a model does not support is refused here, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_jupyter.answer.model import Block, Message
from claude_jupyter.client.events import Request
from claude_jupyter.conversation.ask import context_window
from claude_jupyter.conversation.ask.question import Question
from claude_jupyter.conversation.history import Sent, sent, sent_anew
from claude_jupyter.costs.usage import TTL
from claude_jupyter.errors import ContentTooLargeError, UsageError
from claude_jupyter.models import Model
from claude_jupyter.options import Options
from claude_jupyter.settings import Settings

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
        If the request would pass 32 MB.
    """
    options, model = question.options, question.facts
    notes: list[str] = []
    tools = _tools(question)
    history = sent(question.earlier, question.system, _all_tools(question), citations=question.format is None)
    own: list[Message] = [{"role": "user", "content": with_passing(question)}, *rounds]
    params: dict[str, Any] = {
        "model": question.model,
        "max_tokens": _max_tokens(options, settings, model),
        "messages": cached(
            [*history.messages, *own],
            None if question.apart else question.ttl,
            passing=(len(history.messages), before_prompt(question)) if question.passing else None,
        ),
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
    condense, condense_betas = context_window.edits(question, settings)
    params |= condense
    notes.extend(filter(None, [context_window.left_out_notice(question)]))
    extra = _extra(options, model, params)
    betas = tuple(dict.fromkeys((*extra.pop("betas", ()), *condense_betas)))
    _refuse_large(params)
    return Request(params, betas, extra), history, tuple(notes)


def _refuse_large(params: Mapping[str, Any]) -> None:
    if _size(params) > _LARGEST:
        raise ContentTooLargeError(
            f"The request would be {_size(params) / 1e6:.0f} MB; the API accepts up to 32 MB. Attach less, or start over with -n."
        )


def _tools(question: Question) -> list[Block]:
    return [*question.tools, *([_WEB_SEARCH] if question.options.web else [])]


def _all_tools(question: Question) -> list[Any]:
    """The tools that thinking is bound to: `--param tools=` adds to the request's own."""
    added = question.options.param.get("tools")
    return [*_tools(question), added] if added else _tools(question)


def written_again(question: Question) -> int:
    """Tokens to write again because the last question sent the documents with citations and this one does not, or the other way."""
    if question.ttl is None or not question.warm:
        return 0
    turns = sent_anew(
        question.earlier, question.system, _all_tools(question), citations=question.format is None
    )
    return sum(t.tokens for t in turns)


def before_prompt(question: Question) -> int:
    """Where in the content the prompt is: what passes goes directly before it."""
    last = question.content[-1] if question.content else {}
    return len(question.content) - (last.get("type") == "text")


def with_passing(question: Question) -> list[Block]:
    """The content of the new user message as it goes over the wire now."""
    at = before_prompt(question)
    return [*question.content[:at], *question.passing, *question.content[at:]]


def cached(
    messages: Sequence[Message], ttl: TTL | None, *, passing: tuple[int, int] | None = None
) -> list[Message]:
    """The messages with cache breakpoints on the last two user messages.

    The last is written for the next request; the one before is where the previous request wrote, so it is read whatever the
    number of blocks between (the service looks back 20 at most). System and tools take a third; four are allowed.

    Parameters
    ----------
    passing
        (message, block) from where on later requests do not carry what is here: its breakpoint is before that.
    """
    marked = list(messages)
    if ttl is None:
        return marked
    users = [i for i, m in enumerate(marked) if m["role"] == "user"][-2:]
    for i in users:
        content = list(marked[i]["content"])
        at = passing[1] - 1 if passing is not None and passing[0] == i else len(content) - 1
        if at >= 0:
            content[at] = _marked(content[at], ttl)
            marked[i] = {**marked[i], "content": content}
    return marked


def _marked(block: Block, ttl: TTL | None) -> Block:
    if ttl is None:
        return block
    control = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    return {**block, "cache_control": control}


def _max_tokens(options: Options, settings: Settings, model: Model) -> int:
    if options.max_tokens is not None and options.max_tokens > model.max_output:
        raise UsageError(f"{model.id} can write at most {model.max_output:,} tokens (--max-tokens).")
    return min(options.max_tokens or settings.max_tokens, model.max_output)


def _output_config(question: Question, settings: Settings, model: Model, notes: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    effort = question.options.effort or settings.effort
    if effort and effort in model.efforts:
        config["effort"] = effort
    elif effort and question.options.effort:
        if not model.efforts:
            raise UsageError(
                f"{model.id} does not support --effort: leave it out, or choose another model with -m."
            )
        raise UsageError(f"{model.id} supports --effort {', '.join(model.efforts)}, not {effort}.")
    elif effort:
        notes.append(f"The setting effort = {effort} was not sent: {model.id} does not support it.")
    if question.format is not None:
        config["format"] = {"type": "json_schema", "schema": question.format}
    return config


def _thinking(options: Options, settings: Settings, model: Model, notes: list[str]) -> dict[str, Any] | None:
    wish = options.thinking or settings.thinking
    if wish == "off":
        return _thinking_off(options, settings, model, notes)
    if model.thinks == "off" and not options.thinking:
        return None  # it does not think unless told to, and a setting made for others is not an order to pay for it
    display = "summarized" if wish == "show" else "omitted"
    if "adaptive" in model.thinking:
        return {"type": "adaptive", "display": display}
    if wish == "hide":
        return None
    limit = _max_tokens(options, settings, model)
    if limit <= LEAST_THINKING:
        raise UsageError(
            f"{model.id} needs at least {LEAST_THINKING:,} tokens for thinking: raise --max-tokens."
        )
    return {"type": "enabled", "budget_tokens": max(LEAST_THINKING, limit // 2)}


def _thinking_off(
    options: Options, settings: Settings, model: Model, notes: list[str]
) -> dict[str, Any] | None:
    if model.thinks == "off":
        return None
    least = next((t for t in ("disabled", "between_tools") if t in model.thinking), None)
    if least is None:
        notes.append(
            f"{model.id} always thinks: this cannot be turned off, but --effort low makes it think the least."
        )
        return {"type": "adaptive", "display": "omitted"}
    effort = options.effort or settings.effort or model.effort
    if effort and effort not in model.off_efforts:
        raise UsageError(
            f"{model.id} supports --thinking off only with --effort {', '.join(model.off_efforts)}, not {effort}."
        )
    if least == "between_tools":
        notes.append(
            f"{model.id} cannot turn thinking off completely: it now thinks only between tool calls."
        )
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
            raise UsageError(
                f"{model.id} no longer supports {name}; say in the prompt how varied the answer should be."
            )
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
