"""A value that fits a JSON schema: for structured output and the arguments of tool calls. Deterministic, and plainly made up."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

_DEPTH: Final = 8
_FORMATS: Final = {
    "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00", "duration": "P1D",
    "email": "demo@example.invalid", "uri": "https://example.invalid/demo", "hostname": "example.invalid",
    "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "127.0.0.1", "ipv6": "::1",
}  # fmt: skip
_QUOTED = re.compile(r"[\"“'‘`]([^\"”'’`\n]{1,60})[\"”'’`]")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_NAME = re.compile(r"(?<=[a-z0-9,;:] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")


class Words:
    """What of a prompt may serve as a value: its numbers, its quoted words, its names; each used once, in order."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.texts = _QUOTED.findall(prompt) or _NAME.findall(prompt)
        self.numbers = [float(n) for n in _NUMBER.findall(prompt)]

    def text(self, name: str) -> str:
        """A text for the field `name`."""
        return self.texts.pop(0) if self.texts else f"offline demo: {name}"

    def number(self) -> float:
        """A number."""
        return self.numbers.pop(0) if self.numbers else float(1 + zlib.crc32(self.prompt.encode()) % 9)


def fitting(schema: Mapping[str, Any], words: Words, name: str = "value") -> Any:
    """A value that fits `schema` (the subset of JSON Schema that the API takes), from `words` where they fit."""
    return _value(schema, words, name, schema.get("$defs") or schema.get("definitions") or {}, 0)


def _value(schema: Mapping[str, Any], words: Words, name: str, defs: Mapping[str, Any], depth: int) -> Any:
    if "$ref" in schema:
        return _value(defs.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}), words, name, defs, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return _choice(schema["enum"], words.prompt)
    for kind in ("anyOf", "oneOf"):
        if schema.get(kind):
            options = [s for s in schema[kind] if s.get("type") != "null"] or schema[kind]
            return None if depth > _DEPTH else _value(options[0], words, name, defs, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= defs.get(str(part["$ref"]).rsplit("/", 1)[-1], {}) if "$ref" in part else part
        return _value(merged, words, name, defs, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    return _typed(
        kind or ("object" if "properties" in schema else "string"), schema, words, name, defs, depth
    )


def _typed(
    kind: str, schema: Mapping[str, Any], words: Words, name: str, defs: Mapping[str, Any], depth: int
) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {k: _value(v, words, k, defs, depth + 1) for k, v in properties.items()}
        case "array":
            count = 0 if depth > _DEPTH else max(2, int(schema.get("minItems") or 0))
            return [_value(schema.get("items") or {}, words, name, defs, depth + 1) for _ in range(count)]
        case "integer":
            return round(words.number())
        case "number":
            return words.number()
        case "boolean":
            return zlib.crc32(words.prompt.encode()) % 2 == 0
        case "null":
            return None
        case _:
            return _FORMATS.get(str(schema.get("format"))) or words.text(name)


def _choice(options: list[Any], prompt: str) -> Any:
    """The option that the prompt names, else one that always is the same for the same prompt."""
    lower = prompt.lower()
    named = [o for o in options if isinstance(o, str) and re.search(rf"\b{re.escape(o.lower())}\b", lower)]
    return named[0] if len(named) == 1 else options[zlib.crc32(prompt.encode()) % len(options)]
