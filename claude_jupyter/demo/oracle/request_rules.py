"""Refuses what the service refuses, so that a request that passes here is likely to pass there.

Parameters and authentication; `message_rules.py` looks at the messages. The rules are those of API version 2026-10-21
(https://platform.claude.com/docs/en/api/errors, migration notes) with the facts of `models.py`; messages follow the service's wording
where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from claude_jupyter.demo.oracle import context_editing, message_rules
from claude_jupyter.demo.oracle.caching import prompt_tokens
from claude_jupyter.demo.oracle.refusal import Refused, invalid
from claude_jupyter.demo.oracle.signing import as_blocks
from claude_jupyter.models import Model, facts, known
from claude_jupyter.settings import EFFORTS

VERSION: Final = "2026-10-21"
OLD_VERSION: Final = "2023-06-01"

_COUNTING: Final = frozenset(
    [
        "cache_control",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    ]
)
_CREATING: Final = _COUNTING | frozenset(
    [
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "metadata",
        "service_tier",
        "stop_sequences",
        "stream",
    ]
)
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_BETA_PARAMETERS: Final = {"context_management": ("context-management-2025-06-27", "compact-2026-01-12")}
_FAST: Final = (
    "claude-fable-5-2",
    "claude-mythos-5-2",
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
)
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_SERVER_TOOL: Final = re.compile(
    r"(web_search|web_fetch|code_execution|bash|text_editor|memory|tool_search_tool_regex|tool_search_tool_bm25"
    r"|computer_toolset|browser_toolset)_(20\d{6})"
)
_UNSUPPORTED_SCHEMA: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "maxItems", "uniqueItems",
)  # fmt: skip
_TOOL_FIELDS: Final = frozenset(
    (
        "allowed_callers", "cache_control", "defer_loading", "description", "eager_input_streaming",
        "input_examples", "input_schema", "name", "strict", "type",
    )
)  # fmt: skip
_TIERS: Final = ("auto", "standard_only")


def authenticate(headers: Mapping[str, str]) -> str:
    """The key a request comes with (Bearer, or the older `x-api-key`); one with `wrong` or `invalid` in it is refused.

    Raises
    ------
    Refused
        401, or 400 where the version header is missing or unknown.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not key:
        raise Refused(401, "Authentication is required: send `Authorization: Bearer ...`")
    if "wrong" in key or "invalid" in key:
        raise Refused(401)
    version = headers.get("anthropic-version")
    if not version:
        raise invalid("anthropic-version: header is required")
    if version not in (VERSION, OLD_VERSION):
        raise invalid(f'anthropic-version: "{version}" is not a valid version')
    return key


def check(body: Any, headers: Mapping[str, str], *, counting: bool = False) -> None:
    """Refuse what the service refuses of a Messages request, or of a token count.

    Raises
    ------
    Refused
        With the service's status, type and, where known, words.
    """
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object")
    _known_parameters(body, headers, counting)
    for name in ("model", "messages", *(() if counting else ("max_tokens",))):
        if name not in body:
            raise invalid(f"{name}: Field required")
    if not isinstance(body["model"], str) or not known(body["model"]):
        raise Refused(404, f"model: {body['model']}")
    model = facts(body["model"])
    if not counting:
        _limits(body, model)
    _thinking(body, model, headers)
    _output(body, model)
    _tools(body, model)
    _system(body)
    message_rules.check(body, model)
    context_editing.check(body, frozenset(_betas(headers)), model)
    _cache_markers(body)
    tokens = prompt_tokens(body, model)
    if tokens > model.context:
        raise invalid(f"prompt is too long: {tokens} tokens > {model.context} maximum")


def _known_parameters(body: Mapping[str, Any], headers: Mapping[str, str], counting: bool) -> None:
    betas = _betas(headers)
    old = headers.get("anthropic-version") == OLD_VERSION
    for name in body:
        if name in _SAMPLING and not counting:
            _sampling(name, body, old)
        elif name in _BETA_PARAMETERS:
            if betas.isdisjoint(_BETA_PARAMETERS[name]):
                raise invalid(f"{name}: Extra inputs are not permitted")
        elif name not in (_COUNTING if counting else _CREATING):
            raise invalid(f"{name}: Extra inputs are not permitted")


def _betas(headers: Mapping[str, str]) -> set[str]:
    return {b.strip() for b in headers.get("anthropic-beta", "").split(",")}


def _sampling(name: str, body: Mapping[str, Any], old: bool) -> None:
    if not old:
        raise invalid(f"{name}: Extra inputs are not permitted")
    if not facts(str(body.get("model"))).temperature:
        raise invalid(f"`{name}` is deprecated for this model.")
    if name == "temperature" and not (_number(body[name]) and 0 <= body[name] <= 1):
        raise invalid("temperature: Input should be between 0 and 1")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _limits(body: Mapping[str, Any], model: Model) -> None:
    most = body["max_tokens"]
    if not isinstance(most, int) or isinstance(most, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if most < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if most > model.max_output:
        raise invalid(
            f"max_tokens: {most} > {model.max_output}, which is the maximum allowed number of output tokens "
            f"for {body['model']}"
        )
    if not isinstance(body.get("stream", False), bool):
        raise invalid("stream: Input should be a valid boolean")
    stops = body.get("stop_sequences", [])
    if not isinstance(stops, list) or not all(isinstance(s, str) for s in stops):
        raise invalid("stop_sequences: Input should be a valid list of strings")
    if not all(s.strip() for s in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("service_tier", "auto") not in _TIERS:
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    if extra := set(body.get("metadata") or {}) - {"user_id"}:
        raise invalid(f"metadata.{min(extra)}: Extra inputs are not permitted")
    if body.get("inference_geo") and model.context == 200_000:
        raise invalid("inference_geo: not supported for this model")
    if body.get("speed", "standard") not in (None, "standard", "fast"):
        raise invalid("speed: Input should be 'standard' or 'fast'")
    if body.get("speed") == "fast" and model.id not in _FAST:
        raise invalid(f"speed: fast mode is not available for {body['model']}")


def _thinking(body: Mapping[str, Any], model: Model, headers: Mapping[str, str]) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("adaptive", "between_tools", "enabled", "disabled"):
        raise invalid(
            "thinking: Input tag should be one of 'adaptive', 'between_tools', 'disabled', 'enabled'; "
            f"found {kind!r}"
        )
    if kind not in model.thinking:
        raise invalid(f"thinking.type: `{kind}` is not supported for {body['model']}")
    allowed = {"type", "display"} if kind in ("adaptive", "enabled") else {"type"}
    allowed |= {"budget_tokens"} if kind == "enabled" else set()
    if "thinking-binding-controls-2026-08-01" in headers.get("anthropic-beta", ""):
        allowed.add("block_binding")
    if extra := set(thinking) - allowed:
        raise invalid(f"thinking.{kind}.{min(extra)}: Extra inputs are not permitted")
    if thinking.get("display") not in (None, "summarized", "omitted"):
        raise invalid("thinking.display: Input should be 'summarized' or 'omitted'")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body.get("max_tokens", budget + 1):
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    effort = (body.get("output_config") or {}).get("effort") or model.effort
    if kind in ("disabled", "between_tools") and effort not in (None, *model.off_efforts):
        raise invalid(f"thinking.type: `{kind}` is not supported with effort {effort} for {body['model']}")


def _output(body: Mapping[str, Any], model: Model) -> None:
    cited = message_rules.citations_enabled(body)
    config = body.get("output_config")
    if config is None:
        return
    if not isinstance(config, dict):
        raise invalid("output_config: Input should be a valid dictionary")
    if extra := set(config) - {"effort", "format"}:
        raise invalid(f"output_config.{min(extra)}: Extra inputs are not permitted")
    effort = config.get("effort")
    if effort is not None and effort not in EFFORTS:
        raise invalid(f"output_config.effort: Input should be {', '.join(map(repr, EFFORTS))}")
    if effort is not None and effort not in model.efforts:
        raise invalid(f"output_config.effort: {effort!r} is not supported by {body['model']}")
    form = config.get("format")
    if form is None:
        return
    if set(form) != {"type", "schema"} or form.get("type") != "json_schema":
        raise invalid("output_config.format: expected {'type': 'json_schema', 'schema': {...}}")
    if problem := _schema_problem(form["schema"], "output_config.format.schema"):
        raise invalid(problem)
    if cited:
        raise invalid("output_config.format: structured outputs cannot be used with citations")


def _schema_problem(schema: Any, path: str) -> str | None:
    if not isinstance(schema, dict):
        return f"{path}: Input should be a valid JSON schema"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name in _UNSUPPORTED_SCHEMA:
        if name in schema:
            return f"{path}: For '{schema.get('type')}' type, property '{name}' is not supported"
    inner: list[tuple[str, Any]] = [(f".{k}", v) for k, v in (schema.get("properties") or {}).items()]
    inner += [(f".$defs.{k}", v) for k, v in (schema.get("$defs") or {}).items()]
    inner += [
        (f".{kind}.{k}", v) for kind in ("anyOf", "allOf") for k, v in enumerate(schema.get(kind) or ())
    ]
    inner += [(".items", schema["items"])] if "items" in schema else []
    return next((p for name, value in inner if (p := _schema_problem(value, path + name))), None)


def _tools(body: Mapping[str, Any], model: Model) -> None:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    for k, tool in enumerate(tools):
        _tool(tool, f"tools.{k}")
    names = [tool["name"] for tool in tools if "name" in tool]
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not tools:
        raise invalid("tool_choice: may only be specified while providing tools")
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise invalid("tool_choice: Input tag should be one of 'auto', 'any', 'tool', 'none'")
    if kind == "tool" and choice.get("name") not in names:
        raise invalid(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool"):
        if not model.forced_tools:
            raise invalid(f"tool_choice: forced tool use is not supported for {body['model']}")
        if model.thinks == "off" and (body.get("thinking") or {}).get("type") in ("adaptive", "enabled"):
            raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _tool(tool: Any, path: str) -> None:
    if not isinstance(tool, dict):
        raise invalid(f"{path}: Input should be a valid dictionary")
    kind = tool.get("type") or "custom"
    if kind != "custom":
        if not _SERVER_TOOL.fullmatch(kind):
            raise invalid(
                f"{path}: Input tag {kind!r} found using 'type' does not match any of the expected tags"
            )
        if tool.get("allowed_domains") and tool.get("blocked_domains"):
            raise invalid(f"{path}: only one of allowed_domains and blocked_domains may be given")
        return
    name = tool.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise invalid(f"{path}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise invalid(f"{path}.custom.input_schema.type: Field required, and must be 'object'")
    if extra := set(tool) - _TOOL_FIELDS:
        raise invalid(f"{path}.custom.{min(extra)}: Extra inputs are not permitted")


def _system(body: Mapping[str, Any]) -> None:
    system = body.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid string or list")
    for k, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise invalid(f"system.{k}: Input should be a text block")
        if extra := set(block) - {"type", "text", "cache_control", "citations"}:
            raise invalid(f"system.{k}.{min(extra)}: Extra inputs are not permitted")
        if not str(block.get("text") or "").strip():
            raise invalid("system: text content blocks must be non-empty")


def _cache_markers(body: Mapping[str, Any]) -> None:
    markers: list[tuple[str, Any]] = []
    for place in ("tools", "system"):
        blocks = body.get(place) or []
        markers += message_rules.markers([] if isinstance(blocks, str) else blocks, place)
    for i, message in enumerate(body["messages"]):
        markers += message_rules.markers(as_blocks(message["content"]), f"messages.{i}.content")
    if body.get("cache_control") is not None:
        markers.append(("cache_control", body["cache_control"]))
    shortest = "1h"
    for path, marker in markers:
        ttl = marker.get("ttl") or "5m" if isinstance(marker, dict) else None
        if not isinstance(marker, dict) or marker.get("type") != "ephemeral" or ttl not in ("5m", "1h"):
            raise invalid(f"{path}: expected {{'type': 'ephemeral', 'ttl': '5m' or '1h'}}")
        if ttl == "1h" and shortest == "5m":
            raise invalid(
                f"{path}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
            )
        shortest = ttl
    if len(markers) > 4:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {len(markers)}.")
