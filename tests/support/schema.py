"""`labextension/schema/plugin.json` from the settings: `python tests/support/schema.py` writes the properties anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from traitlets import Bool, CaselessStrEnum, Float, Int, TraitType

from claude_jupyter.settings import Settings

SCHEMA: Final = Path(__file__).resolve().parents[2] / "labextension" / "schema" / "plugin.json"
FIRST: Final = (
    "model", "rows", "budget", "notebook_budget", "daily_budget", "confirm_above", "look", "approve", "max_steps",
    "instructions", "system", "mcp", "figure_data", "text_tokens", "context_tokens",
)  # fmt: skip
OWN: Final[dict[str, Any]] = {
    "key": {
        "type": "null",  # so that no settings file can hold one
        "title": "API key",
        "description": "Goes to the system's keyring, never into the settings file.",
        "default": None,
    },
    "run": {
        "type": "boolean",
        "title": "Run questions written by buttons",
        "description": "Off: Fix and Explain only write a cell, and you run it. On: they also run it, which sends the question.",
        "default": False,
    },
}
"""What only JupyterLab has."""
TITLES: Final = {
    "mcp": "MCP servers", "base_url": "Base URL", "max_steps": "Max steps", "look": "Look around", "instructions": "CLAUDE.md",
    "rows": "Rows sent", "budget": "Kernel budget", "notebook_budget": "Notebook budget",
    "daily_budget": "Daily budget", "approve": "Approval", "text_tokens": "Longest text", "context_tokens": "Tokens of all cells",
    "figure_data": "Figure data", "frame_tokens": "Tokens of a dataframe's profile",
}  # fmt: skip

NONE: Final = {"confirm_above": "never"}
"""What None is called where it is not the default."""


def properties() -> dict[str, Any]:
    """All of them: the key first, then what people change most."""
    traits = {
        n: t for n, t in Settings.class_traits(config=True).items() if n in Settings.class_trait_names()
    }
    names = [*FIRST, *(name for name in traits if name not in FIRST)]
    return {"key": OWN["key"], **{name: _property(name, traits[name]) for name in names}, "run": OWN["run"]}


def _property(name: str, trait: TraitType[Any, Any]) -> dict[str, Any]:
    default: Any = trait.default()
    kind: dict[str, Any] = {"type": "string"}
    if isinstance(trait, Bool):
        kind = {"type": "boolean"}
    elif isinstance(trait, CaselessStrEnum):
        empty = [""] if trait.allow_none else []
        kind = {"type": "string", "enum": [*empty, *(trait.values or ())]}
    elif isinstance(trait, Int | Float):
        kind = {"type": "integer" if isinstance(trait, Int) else "number"}
        kind |= {} if trait.min is None or isinstance(trait, Float) else {"minimum": trait.min}
        if trait.allow_none and default is not None:
            # A field that is emptied means the default again, so None is a choice of its own.
            kind = {"anyOf": [{**kind, "title": "USD"}, {"type": "null", "title": NONE[name]}]}
        elif trait.allow_none:
            kind |= {"type": [kind["type"], "null"]}
    if kind.get("type") == "string" and not isinstance(default, str):
        default = "" if not default else json.dumps(default)
    title = TITLES.get(name) or name.replace("_", " ").capitalize()
    text = trait.help + (" As JSON." if name == "prices" else "")
    return {**kind, "title": title, "description": text, "default": default}


def written() -> dict[str, Any]:
    """The schema with these properties."""
    schema = json.loads(SCHEMA.read_text())
    return {**schema, "properties": properties()}


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(written(), indent=2, ensure_ascii=False) + "\n")
