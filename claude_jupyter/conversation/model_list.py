"""`claude.models`: the models that the Models API lists for this key, or else the built-in table, with list prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_jupyter.answer.model import Listed, Models
from claude_jupyter.client.models_api import retires
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.costs.prices import list_price
from claude_jupyter.errors import ClaudeError
from claude_jupyter.models import AS_OF, MODELS, Model

_THINKS = {"always": "always", "on": "by default", "off": "when asked"}


def listed(env: Environment) -> Models:
    """The models that can be asked, with prices of today."""
    service = env.service
    infos: list[Mapping[str, Any]] = []
    if service.provider != "demo" and service.reachable:
        try:
            infos = service.models()
        except ClaudeError:
            infos = []  # a gateway without the Models API: the built-in table serves
    if infos:
        return Models((_row(env, service.catalog.facts(m["id"]), m) for m in infos), "Models API")
    return Models((_row(env, m, {}) for m in MODELS if m.line != "mythos"), f"built-in table of {AS_OF}")


def _row(env: Environment, model: Model, info: Mapping[str, Any]) -> Listed:
    name = str(info.get("id") or model.id)
    price = list_price(name, overrides=env.settings.prices)
    able = (info.get("capabilities") or {}).get("thinking") or {}
    types = [k for k, v in (able.get("types") or {}).items() if (v or {}).get("supported")]
    off = "disabled" in (types or model.thinking)
    return Listed(
        id=name,
        context=int(info.get("max_input_tokens") or model.context),
        max_output=int(info.get("max_tokens") or model.max_output),
        input=price.input if price else None,
        output=price.output if price else None,
        cache_read=price.cache_read if price else None,
        thinking=_THINKS[model.thinks] + (", can be off" if off and model.thinks == "on" else ""),
        retires=retires(name, info.get("retires_at")),
    )
