"""What the settings editor says holds in a kernel where nobody else has said anything; its schema has every setting."""

from __future__ import annotations

import json

import pytest
from support.schema import SCHEMA, properties

from claude_jupyter.magics.page.page_settings import PageSettings
from claude_jupyter.settings import Settings


def test_the_schema_has_every_setting():
    """Write it anew with `python tests/support/schema.py`."""
    assert json.loads(SCHEMA.read_text())["properties"] == properties()
    assert set(Settings.class_trait_names(config=True)) <= set(properties())


def test_the_defaults_of_the_schema_change_nothing():
    settings = Settings()
    before = settings.trait_values()
    assert PageSettings(settings).take({name: p["default"] for name, p in properties().items()}) == []
    assert settings.trait_values() == before


def test_values_hold_until_they_change_and_go_back_to_the_default():
    settings = Settings()
    page = PageSettings(settings)
    page.take(
        {
            "model": "haiku",
            "budget": 2.5,
            "confirm_above": None,
            "rows": "none",
            "look": True,
            "effort": "low",
        }
    )
    assert (settings.model, settings.budget, settings.confirm_above) == ("haiku", 2.5, None)
    assert (settings.rows, settings.look, settings.effort) == ("none", True, "low")
    page.take({"mcp": "servers.json", "prices": '{"claude-x": {"input": 1, "output": 2}}', "system": ""})
    assert (
        settings.mcp == "servers.json" and settings.prices["claude-x"]["input"] == 1 and settings.system == ""
    )
    page.take({"model": "claude-sonnet-5-5", "budget": None, "confirm_above": 1.0, "effort": "", "mcp": ""})
    assert (settings.model, settings.budget, settings.confirm_above) == ("claude-sonnet-5-5", None, 1.0)
    assert (settings.effort, settings.mcp) == (None, {})


def test_the_environment_and_the_notebook_go_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLAUDE_JUPYTER_MODEL", "opus")
    settings = Settings()
    page = PageSettings(settings)
    page.take({"model": "haiku", "max_tokens": 500})
    assert (settings.model, settings.max_tokens) == ("opus", 500)
    settings.max_tokens = 900  # as %config does
    page.take({"model": "haiku", "max_tokens": 700})
    assert (settings.model, settings.max_tokens) == ("opus", 900)


def test_what_is_refused_is_said_once():
    settings = Settings()
    page = PageSettings(settings)
    (said,) = page.take({"rows": "some", "model": "haiku", "nonsense": 1})
    assert said.startswith("JupyterLab's settings: rows") and "none or all" in said
    assert settings.model == "haiku" and settings.rows == 10
    assert page.take({"rows": "some"}) == []
