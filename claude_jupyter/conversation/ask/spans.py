"""OpenTelemetry spans of a question: one for the question, below it one for each request and each tool call.

Only where the setting `tracing` asks for them and the process has a tracer. Names and attributes are those of the OpenTelemetry
semantic conventions for generative AI, version 0.1.0 (github.com/open-telemetry/semantic-conventions-genai); what they lack, the
price, is `claude_jupyter.cost_usd`. What was asked and answered is written only where the setting says `content`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter.answer.model import Answer, Block, Message
from claude_jupyter.client.events import Reply, Request
from claude_jupyter.conversation.tools.outcome import ToolOutcome
from claude_jupyter.conversation.work.proposal import RUN_CELL
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import ClaudeError, StoppedError
from claude_jupyter.providers import named

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

_NAME: Final = "claude-jupyter"
_PARAMS: Final = ("max_tokens", "temperature", "top_k", "top_p", "stop_sequences")


def tracer(setting: str) -> Tracer | None:
    """The process's tracer, where the setting asks for spans and OpenTelemetry is installed."""
    if setting == "off":
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("claude_jupyter", version("claude-jupyter"))


class Spans:
    """The spans of one question. Nothing happens if there is no tracer.

    Parameters
    ----------
    setting
        The setting `tracing`.
    conversation
        What tells one conversation from all others.
    """

    def __init__(self, setting: str, conversation: str = "") -> None:
        self._tracer = tracer(setting)
        self._content = setting == "content"
        self._conversation = conversation
        self._question: Span | None = None
        self._request: Span | None = None
        self._above: Context | None = None
        if self._tracer is not None:
            from opentelemetry import context

            self._above = context.get_current()

    @property
    def below(self) -> Context | None:
        """Where spans go that belong to the question; None if there are none."""
        if self._question is None:
            return None
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(self._question, self._above)

    def begin(self, answer: Answer, above: Context | None = None) -> None:
        """The question is asked.

        Parameters
        ----------
        above
            The question that it belongs to; None: it is below whatever span was current when it was prepared.
        """
        if self._tracer is not None:
            self._above = above or self._above
            self._question = self._tracer.start_span(
                f"invoke_agent {_NAME}",
                self._above,
                attributes={
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.name": _NAME,
                    **self._who(answer.provider, answer.model),
                },
            )

    def step(self, block: Block) -> None:
        """A proposed cell has run, or was skipped, and this question tells Claude the outcome."""
        if self._tracer is None:
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            f"execute_tool {RUN_CELL['name']}",
            self.below,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": RUN_CELL["name"],
                "gen_ai.tool.type": "function",
                "claude_jupyter.approval": block["approval"],
            },
            start_time=end - round(block["seconds"] * 1e9),
        )
        if self._content:
            span.set_attribute("gen_ai.tool.call.arguments", _json({k: block[k] for k in ("title", "code")}))
        if error := block.get("error"):
            _failed(span, str(error))
        span.end(end)

    def request(self, request: Request, answer: Answer) -> None:
        """A request is sent."""
        if self._tracer is None:
            return
        from opentelemetry.trace import SpanKind

        params = request.params
        self._request = self._tracer.start_span(
            f"chat {params['model']}",
            self.below,
            SpanKind.CLIENT,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.stream": True,
                **self._who(answer.provider, str(params["model"])),
                **{f"gen_ai.request.{name}": params[name] for name in _PARAMS if name in params},
            },
        )
        config: Mapping[str, Any] = params.get("output_config") or {}
        if effort := config.get("effort"):
            self._request.set_attribute("gen_ai.request.reasoning.level", effort)
        if config.get("format"):
            self._request.set_attribute("gen_ai.output.type", "json")
        if self._content:
            self._request.set_attribute("gen_ai.input.messages", _json(_messages(params["messages"])))
            if system := params.get("system"):
                blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
                self._request.set_attribute("gen_ai.system_instructions", _json([_part(b) for b in blocks]))

    def replied(self, reply: Reply, usage: Usage, cost: Cost | None) -> None:
        """A request has ended."""
        span, self._request = self._request, None
        if span is None:
            return
        message = reply.message
        reason = (
            "error"
            if reply.error is not None
            else message.get("stop_reason")
            if reply.complete
            else "stopped"
        )
        attributes = {
            "gen_ai.response.id": message.get("id"),
            "gen_ai.response.model": message.get("model"),
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.response.time_to_first_chunk": reply.ttft,
            "claude_jupyter.request_id": reply.request_id,
        }
        span.set_attributes({k: v for k, v in attributes.items() if v is not None} | _counts(usage, cost))
        if self._content and message.get("content"):
            messages = _messages([{"role": "assistant", "content": message["content"]}])
            span.set_attribute("gen_ai.output.messages", _json([{**messages[0], "finish_reason": reason}]))
        if reply.error is not None:
            _failed(span, _kind(reply.error))
        span.end()

    def tool(self, call: Block, run: Callable[[], ToolOutcome]) -> ToolOutcome:
        """Run a tool; its span is the current one meanwhile, so that the tool's own spans are below it."""
        if self._tracer is None:
            return run()
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": str(call["name"]),
            "gen_ai.tool.call.id": str(call["id"]),
            "gen_ai.tool.type": "function",
        }
        with self._tracer.start_as_current_span(
            f"execute_tool {call['name']}", self.below, attributes=attributes, record_exception=False
        ) as span:
            if self._content:
                span.set_attribute("gen_ai.tool.call.arguments", _json(call.get("input")))
            outcome = run()
            if self._content:
                span.set_attribute("gen_ai.tool.call.result", outcome.text)
            if outcome.error:
                _failed(span, "tool_error")
            return outcome

    def end(self, answer: Answer, error: ClaudeError | None) -> None:
        """The question is over."""
        span, self._question = self._question, None
        if span is None:
            return
        span.set_attributes(_counts(answer.usage, answer.cost))
        span.set_attribute("claude_jupyter.replayed", answer.replayed)
        if answer.stop_reason:
            span.set_attribute("gen_ai.response.finish_reasons", [answer.stop_reason])
        if error is not None and not isinstance(error, StoppedError):
            _failed(span, _kind(error))
        span.end()

    def _who(self, provider: str, model: str) -> dict[str, Any]:
        attributes = {"gen_ai.provider.name": named(provider).telemetry, "gen_ai.request.model": model}
        return attributes | ({"gen_ai.conversation.id": self._conversation} if self._conversation else {})


@contextlib.contextmanager
def mapping(setting: str, model: str) -> Generator[None]:
    """While a map runs, its span is the current one, so that its rows' questions are below it."""
    current = tracer(setting)
    if current is None:
        yield
        return
    attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": "map",
        "gen_ai.request.model": model,
    }
    with current.start_as_current_span(
        "invoke_workflow map", attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except ClaudeError as error:
            if not isinstance(error, StoppedError):
                _failed(span, _kind(error))
            raise


def _counts(usage: Usage, cost: Cost | None) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "gen_ai.usage.input_tokens": usage.prompt,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write,
    }
    return counts if cost is None else {**counts, "claude_jupyter.cost_usd": float(cost)}


def _failed(span: Span, kind: str) -> None:
    """Mark as failed, without the message: it may quote what was asked."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _kind(error: ClaudeError) -> str:
    return str(error.status) if error.status else type(error).__name__


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {
            "role": message["role"],
            "parts": [{"type": "text", "content": message["content"]}]
            if isinstance(message["content"], str)
            else [_part(block) for block in message["content"]],
        }
        for message in messages
    ]


def _part(block: Block) -> dict[str, Any]:
    """A block as the conventions write it; of pictures and documents that they are there, not their bytes."""
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "content": block["text"]}
    if kind == "thinking":
        return {"type": "reasoning", "content": block["thinking"]}
    if kind == "tool_use":
        return {"type": "tool_call", "id": block["id"], "name": block["name"], "arguments": block["input"]}
    if kind == "tool_result":
        content: Any = block.get("content")
        response = content if isinstance(content, str) else [_part(b) for b in content or ()]
        return {"type": "tool_call_response", "id": block["tool_use_id"], "response": response}
    return {"type": kind}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
