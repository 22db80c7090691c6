"""A model that the built-in table does not know is asked about, once; what it takes is then what the service says."""

from __future__ import annotations

import pytest
from support.world import stage

from claude_jupyter import models
from claude_jupyter.client.capabilities import model_of
from claude_jupyter.errors import NotFoundError


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(models, "_told", {})


def info(**more):
    leaf = {"supported": True}
    capabilities = {
        "thinking": {"types": {"disabled": leaf, "adaptive": leaf}},
        "effort": {"low": leaf, "high": leaf, "max": {"supported": False}},
        "context_management": {"compact_20260112": {"supported": False}},
    }
    told = {"id": "claude-opus-9", "line": "opus", "max_input_tokens": 2_000_000, "max_tokens": 256_000}
    return {**told, "capabilities": capabilities, **more}


def test_what_the_models_api_tells_is_what_the_model_takes():
    model = model_of(info())
    assert (model.context, model.max_output, model.efforts) == (2_000_000, 256_000, ("low", "high"))
    assert model.thinking == ("adaptive", "disabled") and model.thinks == "on" and not model.compacts
    assert model_of({"id": "claude-opus-9"}).context == models.newest("opus").context


def test_a_learnt_model_wins_over_the_table():
    assert not models.known("claude-opus-9")
    models.learn(model_of(info()))
    assert models.known("claude-opus-9") and models.facts("claude-opus-9").max_output == 256_000


def test_an_unknown_model_is_asked_about_once_and_a_known_one_never():
    with stage() as s:
        s.claude.ask("q")
        for _ in range(2):
            with pytest.raises(NotFoundError, match="no model"):
                s.claude.ask("q", model="claude-opus-9")
        asked = [r.path for r in s.server.requests if r.path.startswith("/v1/models")]
        assert asked == ["/v1/models/claude-opus-9"]
