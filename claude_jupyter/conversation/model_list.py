"""`claude.models`: what the Models API lists for this key, else the built-in table, with list prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_jupyter.conversation.world import World
from claude_jupyter.costs.prices import list_price
from claude_jupyter.errors import ClaudeError
from claude_jupyter.models import AS_OF, MODELS, Model, facts
from claude_jupyter.turns import Listed, Models

_THINKS = {"always": "always", "on": "by default", "off": "when asked"}


def listed(world: World) -> Models:
    """The models that can be asked, with prices of today."""
    service = world.service
    told: list[Mapping[str, Any]] = []
    if service.provider != "demo" and service.reachable:
        try:
            told = service.models()
        except ClaudeError:
            told = []  # a gateway without the Models API: the built-in table serves
    if told:
        return Models((_row(world, facts(m["id"]), m) for m in told), "Models API")
    return Models((_row(world, m, {}) for m in MODELS if m.line != "mythos"), f"built-in table of {AS_OF}")


def _row(world: World, model: Model, told: Mapping[str, Any]) -> Listed:
    name = str(told.get("id") or model.id)
    price = list_price(name, overrides=world.settings.prices)
    able = (told.get("capabilities") or {}).get("thinking") or {}
    types = [k for k, v in (able.get("types") or {}).items() if (v or {}).get("supported")]
    off = "disabled" in (types or model.thinking)
    return Listed(
        id=name,
        context=int(told.get("max_input_tokens") or model.context),
        max_output=int(told.get("max_tokens") or model.max_output),
        input=price.input if price else None,
        output=price.output if price else None,
        cache_read=price.cache_read if price else None,
        thinking=_THINKS[model.thinks] + (", can be off" if off and model.thinks == "on" else ""),
        retires=str(told.get("retires_at") or model.retires or "")[:10] or None,
    )
