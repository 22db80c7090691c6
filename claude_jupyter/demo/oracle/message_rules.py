"""What the service refuses in the messages of a request: roles, unpaired tool calls, empty text, thinking, images, documents."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from claude_jupyter.demo.oracle.image_rules import MEDIA_TYPES, images, measure
from claude_jupyter.demo.oracle.refusal import Refused, invalid
from claude_jupyter.demo.oracle.signing import as_blocks, walk
from claude_jupyter.demo.oracle.token_count import pages
from claude_jupyter.models import Model

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGE_BYTES: Final = 10 * 1024 * 1024
_EDGE: Final = 8000
_EDGE_MANY: Final = 2000
_MANY: Final = 20
_MARKED = frozenset(("type", "cache_control"))
_RESULT = _MARKED | {"tool_use_id", "content", "caller"}
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "text": _MARKED | {"text", "citations"},
    "image": _MARKED | {"source", "transformations"},
    "document": _MARKED | {"source", "citations", "context", "title"},
    "search_result": _MARKED | {"source", "citations", "content", "title"},
    "thinking": frozenset(("type", "thinking", "signature")),
    "redacted_thinking": frozenset(("type", "data")),
    "tool_use": _MARKED | {"id", "input", "name", "caller", "toolset_name"},
    "tool_result": _MARKED | {"tool_use_id", "content", "is_error", "toolset_name"},
    "server_tool_use": _MARKED | {"id", "input", "name", "caller"},
    "web_search_tool_result": _RESULT,
    "web_fetch_tool_result": _RESULT,
    "code_execution_tool_result": _RESULT,
    "bash_code_execution_tool_result": _RESULT,
    "text_editor_code_execution_tool_result": _RESULT,
    "tool_search_tool_result": _RESULT,
    "container_upload": _MARKED | {"file_id"},
    "compaction": _MARKED | {"content", "encrypted_content", "signature", "tool_changes"},
}
_USER_ONLY: Final = frozenset(("image", "document", "tool_result", "search_result", "container_upload"))
_ASSISTANT_ONLY: Final = frozenset(
    ("tool_use", "thinking", "redacted_thinking", "server_tool_use", "compaction")
)
_REQUIRED: Final = {
    "text": ("text",), "image": ("source",), "document": ("source",), "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",), "tool_use": ("id", "name", "input"), "tool_result": ("tool_use_id",),
    "server_tool_use": ("id", "name", "input"), "web_search_tool_result": ("tool_use_id", "content"),
}  # fmt: skip


def check(body: Mapping[str, Any], model: Model) -> None:
    """Refuse what the service refuses of the messages.

    Raises
    ------
    Refused
        A 400 in the service's words where they are known.
    """
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: at least one message is required")
    for i, message in enumerate(messages):
        _message(message, i, model)
    if messages[0]["role"] != "user" and as_blocks(messages[0]["content"])[0].get("type") != "compaction":
        raise invalid('messages: first message must use the "user" role')
    _pairing(merged(messages))
    if messages[-1]["role"] == "assistant" and not _paused(messages[-1]) and not _prefills(model):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    _thinking(body, model)
    _pictures(body, model)


def _prefills(model: Model) -> bool:
    return model.context == 200_000


def _paused(message: Mapping[str, Any]) -> bool:
    """Whether an assistant message is a paused turn (`pause_turn`) sent back to continue."""
    last = as_blocks(message["content"])[-1:]
    return bool(last) and last[0]["type"] in (
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
    )


def _message(message: Any, i: int, model: Model) -> None:
    if not isinstance(message, dict):
        raise invalid(f"messages.{i}: Input should be a valid dictionary")
    role = str(message.get("role"))
    roles = ("user", "assistant", "system") if model.thinks != "off" else ("user", "assistant")
    if role not in roles:
        raise invalid(f"messages.{i}.role: Input should be {' or '.join(map(repr, roles))}")
    if extra := set(message) - {"role", "content"}:
        raise invalid(f"messages.{i}.{min(extra)}: Extra inputs are not permitted")
    content = message.get("content")
    if not isinstance(content, str | list):
        raise invalid(f"messages.{i}.content: Input should be a valid string or list")
    if not content:
        raise invalid(f"messages.{i}: all messages must have non-empty content")
    for j, block in enumerate(as_blocks(content)):
        _block(block, role, f"messages.{i}.content.{j}")


def _block(block: Any, role: str, path: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _FIELDS:
        raise invalid(
            f"{path}: Input tag {kind!r} found using 'type' does not match any of the expected tags"
        )
    if extra := set(block) - _FIELDS[kind]:
        raise invalid(f"{path}.{kind}.{min(extra)}: Extra inputs are not permitted")
    for name in _REQUIRED.get(kind, ()):
        if name not in block:
            raise invalid(f"{path}.{kind}.{name}: Field required")
    if kind in (_USER_ONLY if role == "assistant" else _ASSISTANT_ONLY):
        raise invalid(f"{path}: `{kind}` blocks are not allowed in {role} messages")
    match kind:
        case "text":
            _text(block, role, path)
        case "tool_use" | "server_tool_use":
            if not _ID.fullmatch(str(block["id"])):
                raise invalid(f"{path}.{kind}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not isinstance(block["input"], dict):
                raise invalid(f"{path}.{kind}.input: Input should be a valid dictionary")
        case "tool_result":
            _result(block, path)
        case "document":
            _document(block, path)
        case "compaction" if block.get("content") == "":
            raise invalid(f"{path}.compaction.content: empty content is not allowed")
        case _:
            return


def _text(block: Mapping[str, Any], role: str, path: str) -> None:
    if not isinstance(block["text"], str):
        raise invalid(f"{path}.text.text: Input should be a valid string")
    if not block["text"]:
        problem = "cache_control cannot be set for empty text blocks"
        raise invalid(f"{path}.text: {problem}" if block.get("cache_control") else _EMPTY)
    if not block["text"].strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")
    if role == "user" and block.get("citations"):
        raise invalid(f"{path}.text.citations: not permitted in user messages")


_EMPTY: Final = "messages: text content blocks must be non-empty"


def _result(block: Mapping[str, Any], path: str) -> None:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    for k, inner in enumerate(content):
        if inner.get("type") not in ("text", "image", "document", "search_result", "tool_reference"):
            raise invalid(
                f"{path}.content.{k}: Input tag {inner.get('type')!r} is not allowed in tool results"
            )
        if inner["type"] in _FIELDS:
            _block(inner, "user", f"{path}.content.{k}")
    if block.get("is_error") and any(inner["type"] != "text" for inner in content):
        raise invalid(f"{path}: when `is_error` is true, all content must be type `text`")


def _document(block: Mapping[str, Any], path: str) -> None:
    source = block["source"]
    if source.get("type") not in ("base64", "text", "content", "url", "file"):
        raise invalid(f"{path}.document.source: Input tag {source.get('type')!r} is not expected")
    if source["type"] == "base64":
        if source.get("media_type") != "application/pdf":
            raise invalid(f"{path}.document.source.base64.media_type: Input should be 'application/pdf'")
        data = _decoded(source, f"{path}.document")
        if not data.startswith(b"%PDF"):
            raise invalid(f"{path}.document.source.base64.data: The PDF specified was not valid.")
        if b"/Encrypt" in data:
            raise invalid(f"{path}.document.source.base64.data: The PDF specified is password protected.")
        if pages(data) > 600:
            raise invalid(f"{path}.document.source.base64.data: A maximum of 600 PDF pages may be provided.")
    if source["type"] == "text" and not str(source.get("data") or "").strip():
        raise invalid(f"{path}.document.source.text.data: document text must be non-empty")


def merged(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]], int]]:
    """Consecutive messages of one role as one: (role, blocks, index of the first)."""
    turns: list[tuple[str, list[Mapping[str, Any]], int]] = []
    for i, message in enumerate(messages):
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(as_blocks(message["content"]))
        else:
            turns.append((message["role"], as_blocks(message["content"]), i))
    return turns


def _pairing(turns: Sequence[tuple[str, list[Mapping[str, Any]], int]]) -> None:
    calls: list[str] = []
    for role, blocks, i in turns:
        if role == "system":
            continue
        leading = _leading_results(blocks)
        ids = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        missing = [name for name in calls if name not in leading]
        if missing:
            raise invalid(
                f"messages.{i - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        for name in ids:
            if name not in calls:
                raise invalid(
                    f"messages.{i}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if len(set(ids)) < len(ids):
            raise invalid(f"messages.{i}: each tool_use must have a single result.")
        calls = [b["id"] for b in blocks if b["type"] == "tool_use"]
        if len(set(calls)) < len(calls):
            raise invalid(f"messages.{i}: `tool_use` ids must be unique")
        _server_pairing(blocks, i)


def _leading_results(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    ids: list[str] = []
    for block in blocks:
        if block["type"] != "tool_result":
            break
        ids.append(block["tool_use_id"])
    return ids


def _server_pairing(blocks: Sequence[Mapping[str, Any]], i: int) -> None:
    calls = [b["id"] for b in blocks if b["type"] == "server_tool_use"]
    results = [b["tool_use_id"] for b in blocks if b["type"] in _FIELDS and _FIELDS[b["type"]] is _RESULT]
    if stray := next((r for r in results if r not in calls), None):
        raise invalid(f"messages.{i}: server tool result {stray} has no `server_tool_use` block before it")
    if open_ := [c for c in calls[:-1] if c not in results]:
        raise invalid(f"messages.{i}: `server_tool_use` id {open_[0]} was found without its result block")


def _thinking(body: Mapping[str, Any], model: Model) -> None:
    binding = ((body.get("thinking") or {}).get("block_binding") or {}).get("prefix_mismatch_behavior")
    _, blocks = walk(body)
    for path, _, problem in blocks:
        if problem == "signature":
            raise invalid(f"{path}: Invalid `signature` in `thinking` block")
        if problem == "prefix" and model.bound and binding != "drop_block":
            raise invalid(
                f"{path}: Invalid signature in thinking block. The block is bound to a different conversation: "
                "system, tools and the messages before it must be sent unchanged."
            )


def _decoded(source: Mapping[str, Any], path: str) -> bytes:
    try:
        return base64.b64decode(source.get("data") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise invalid(f"{path}.source.base64.data: Invalid base64 data") from None


def _pictures(body: Mapping[str, Any], model: Model) -> None:
    pictures = list(images(body))
    if len(pictures) > model.images:
        raise invalid(f"messages: Too many images: {len(pictures)} > {model.images} maximum")
    edge = _EDGE_MANY if len(pictures) > _MANY else _EDGE
    large: list[str] = []
    for path, block in pictures:
        source = block["source"]
        if source.get("type") in ("url", "file"):
            continue
        if source.get("type") != "base64" or source.get("media_type") not in MEDIA_TYPES:
            expected = ", ".join(map(repr, MEDIA_TYPES))
            raise invalid(f"{path}.image.source.base64.media_type: Input should be {expected}")
        size = len(source.get("data") or "")
        if size > _IMAGE_BYTES:
            raise invalid(
                f"{path}.image.source.base64: image exceeds 10 MB maximum: {size} bytes > {_IMAGE_BYTES} bytes"
            )
        shape = measure(_decoded(source, f"{path}.image"))
        if shape is None:
            raise invalid("Could not process image")
        if shape.media_type != source["media_type"]:
            raise invalid(
                f"{path}.image.source.base64.data: The image was specified using the {source['media_type']} media "
                f"type, but the image appears to be a {shape.media_type} image"
            )
        if max(shape.width, shape.height) > edge:
            large.append(path)
    if large:
        raise _too_large(large, edge)


def _too_large(paths: list[str], edge: int) -> Refused:
    many = "for many-image requests: " if edge == _EDGE_MANY else ""
    return invalid(
        f"{paths[0]}.image.source.base64.data: At least one of the image dimensions exceed max allowed size "
        f"{many or ': '}{edge} pixels",
        {"error_code": "image_dimensions_too_large", "max_side_length_pixels": edge, "paths": paths},
    )


def markers(blocks: Sequence[Mapping[str, Any]], path: str) -> Iterator[tuple[str, Any]]:
    """Every cache marker among blocks with its path, those inside tool results included."""
    for j, block in enumerate(blocks):
        inner = block.get("content")
        if isinstance(inner, list):
            yield from markers([b for b in inner if isinstance(b, dict)], f"{path}.{j}.content")
        if block.get("cache_control") is not None:
            if block.get("type") in ("thinking", "redacted_thinking"):
                raise invalid(f"{path}.{j}.cache_control: thinking blocks cannot be cached")
            yield f"{path}.{j}.cache_control", block["cache_control"]


def documents(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All documents of the user's messages in order, also inside tool results: their place is what citations count by."""
    result: list[Mapping[str, Any]] = []
    for block in user_blocks(body):
        content = block.get("content") if block.get("type") == "tool_result" else None
        inside = [b for b in content if isinstance(b, dict)] if isinstance(content, list) else [block]
        result += [b for b in inside if b.get("type") == "document"]
    return result


def citations_enabled(body: Mapping[str, Any]) -> bool:
    """Whether the documents of a request are cited.

    Raises
    ------
    Refused
        If some are and some are not.
    """
    switches = {bool((b.get("citations") or {}).get("enabled")) for b in documents(body)}
    if len(switches) > 1:
        raise invalid("messages: citations must be enabled on all or none of the documents in a request")
    return switches == {True}


def user_blocks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All blocks of the user's messages, as far as they are ones."""
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = (
            message.get("content") if isinstance(message, dict) and message.get("role") == "user" else ()
        )
        yield from (b for b in as_blocks(content) if isinstance(b, dict))
