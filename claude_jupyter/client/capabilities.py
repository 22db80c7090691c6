"""What the Models API says of a model, in the terms of `models.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from claude_jupyter.models import Model, Thinking, facts

_TYPES: tuple[Thinking, ...] = ("adaptive", "between_tools", "enabled", "disabled")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def model_of(info: Mapping[str, Any]) -> Model:
    """The facts of a model from a `ModelInfo` (GET /v1/models/{id}); what it does not tell is taken from the newest of its line."""
    base = facts(str(info["id"]))
    able = _mapping(info.get("capabilities"))
    thinking = _mapping(_mapping(able.get("thinking")).get("types"))
    types = tuple(t for t in _TYPES if _supported(thinking, t)) or base.thinking
    effort = _mapping(able.get("effort"))
    efforts = tuple(e for e in _EFFORTS if _supported(effort, e)) if effort else base.efforts
    managed = _mapping(able.get("context_management"))
    retires = info.get("retires_at")
    return replace(
        base,
        id=str(info["id"]),
        line=str(info.get("line") or base.line),
        context=int(info.get("max_input_tokens") or base.context),
        max_output=int(info.get("max_tokens") or base.max_output),
        thinking=types,
        thinks=base.thinks if base.thinks == "off" else "on" if _can_rest(types) else "always",
        efforts=efforts,
        effort=base.effort if base.effort in efforts else None,
        off_efforts=tuple(e for e in base.off_efforts if e in efforts),
        compacts=_supported(managed, "compact_20260112") if managed else base.compacts,
        retires=str(retires)[:10] if retires else None,
    )


def _can_rest(types: tuple[str, ...]) -> bool:
    return "disabled" in types or "between_tools" in types


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _supported(leaves: Mapping[str, Any], name: str) -> bool:
    return bool(_mapping(leaves.get(name)).get("supported"))
