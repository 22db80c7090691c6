"""`/v1/models`: the facts of `models.py` in the shape of the Models API (no prices there either)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_jupyter.demo.oracle.refusal import Refused, invalid
from claude_jupyter.models import AS_OF, MODELS, Model, facts, known

_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_THINKING: Final = ("adaptive", "between_tools", "disabled", "enabled")


def answer(path: Sequence[str], query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The list, or one model by id.

    Raises
    ------
    Refused
        404 for an unknown id, 400 for a limit out of range.
    """
    if path:
        if len(path) > 1 or not known(path[0]):
            raise Refused(404, f"model: {'/'.join(path)}")
        return info(facts(path[0]), path[0])
    limit = int(query.get("limit", ["20"])[0])
    if not 1 <= limit <= 1000:
        raise invalid("limit: must be between 1 and 1000")
    lifecycles = query.get("lifecycle") or query.get("lifecycle[]") or ()
    models = [i for m in MODELS if (i := info(m, m.id)) and (not lifecycles or i["lifecycle"] in lifecycles)]
    ids = [i["id"] for i in models]
    if after := query.get("after_id", [""])[0]:
        models = models[ids.index(after) + 1 :] if after in ids else []
    page = models[:limit]
    return {
        "data": page,
        "has_more": len(models) > len(page),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def info(model: Model, name: str) -> dict[str, Any]:
    """A `ModelInfo`."""
    retires = f"{model.retires}T00:00:00Z" if model.retires else None
    retired = model.retires is not None and model.retires < AS_OF
    words = model.id.removeprefix("claude-").split("-")
    version = ".".join(w for w in words if w.isdigit())
    title = " ".join(w.capitalize() for w in words if not w.isdigit())
    return {
        "type": "model",
        "id": name,
        "display_name": f"Claude {title} {version}".rstrip(),
        "created_at": "1970-01-01T00:00:00Z",
        "line": model.line,
        "lifecycle": "retired" if retired else "deprecated" if retires else "active",
        "deprecated_at": "1970-01-01T00:00:00Z" if retires else None,
        "retires_at": retires,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def _capabilities(model: Model) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    return {
        "batch": yes,
        "citations": yes,
        "code_execution": no,
        "context_management": {
            "supported": model.compacts,
            "clear_thinking_20251015": no,
            "clear_tool_uses_20250919": no,
            "compact_20260112": {"supported": model.compacts},
        },
        "effort": {"supported": bool(model.efforts)}
        | {level: {"supported": level in model.efforts} for level in _EFFORTS},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": {"supported": True, "web_search": yes, "code_execution": no},
        "structured_outputs": yes,
        "thinking": {
            "supported": True,
            "types": {kind: {"supported": kind in model.thinking} for kind in _THINKING},
        },
    }
