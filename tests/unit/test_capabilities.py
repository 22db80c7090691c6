"""What models take is what the service tells, where there is a key: asked once, beside the first question, kept for a day."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.world import Stage, stage

from claude_jupyter import models
from claude_jupyter.client import models_api as learning
from claude_jupyter.client.models_api import model_of
from claude_jupyter.demo.oracle import models_endpoint as catalogue
from claude_jupyter.errors import NotFoundError, UsageError


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


def test_a_learned_model_wins_over_the_table():
    catalog = models.Catalog()
    assert not catalog.known("claude-opus-9")
    catalog.learn(model_of(info()))
    assert catalog.known("claude-opus-9") and catalog.facts("claude-opus-9").max_output == 256_000


def test_an_unknown_model_is_asked_about_once_and_a_known_one_never():
    with stage() as s:
        s.claude.ask("q")
        for _ in range(2):
            with pytest.raises(NotFoundError, match="no model"):
                s.claude.ask("q", model="claude-opus-9")
        asked = [r.path for r in s.server.requests if r.path.startswith("/v1/models")]
        assert asked == ["/v1/models/claude-opus-9"]


def told_later(s: Stage) -> None:
    for thread in [t for t in threading.enumerate() if t.name == "claude-models"]:
        thread.join(10)


def asked(s: Stage) -> list[str]:
    return [r.path.partition("?")[0] for r in s.server.requests if r.path.startswith("/v1/models")]


def moved(path: Path, s: Stage, at: datetime | None = None) -> None:
    """What is kept, as if it came from this server (at that time)."""
    (kept,) = json.loads(path.read_text())["endpoints"].values()
    kept["at"] = at.isoformat() if at else kept["at"]
    endpoints = {str(s.env.service.client.base_url): kept}
    path.write_text(json.dumps({"version": 1, "endpoints": endpoints}))


@pytest.fixture
def service_says(monkeypatch):
    """The Models API of the server tells something else than the built-in table."""
    real = catalogue.info

    def changed(model, name):
        told = real(model, name)
        if name == "claude-haiku-5-5":
            told["max_tokens"] = 32_000
            told["capabilities"]["effort"]["max"] = {"supported": False}
        return told

    monkeypatch.setattr(catalogue, "info", changed)


def test_with_a_key_the_service_tells_what_known_models_take(service_says, tmp_path):
    with stage(known_models=tmp_path / "models.json") as s:
        s.claude.ask("q")
        assert not asked(s)  # a plain question is one request
        s.claude.ask("q", effort="low")
        told_later(s)
        assert s.env.service.catalog.facts("claude-haiku-5-5").max_output == 32_000
        with pytest.raises(UsageError, match="supports --effort low, medium, high, xhigh, not max"):
            s.claude.ask("q", model="haiku", effort="max")
        assert asked(s) == ["/v1/models"] and len(s.bodies) == 2


def test_a_first_question_that_names_an_effort_waits_a_moment_for_it(service_says, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "_PATIENCE", 30.0)
    with stage(known_models=tmp_path / "models.json") as s:
        with pytest.raises(UsageError, match="not max"):
            s.claude.ask("q", model="haiku", effort="max")
        assert not s.bodies


def test_what_was_told_is_kept_for_the_next_kernel_for_a_day(service_says, tmp_path):
    path = tmp_path / "models.json"
    with stage(known_models=path) as s:
        s.claude.ask("q", effort="low")
        told_later(s)
        assert path.stat().st_mode & 0o777 == 0o600
    with stage(known_models=path) as s:
        moved(path, s)
        s.claude.ask("q", effort="low")
        told_later(s)
        assert not asked(s) and s.env.service.catalog.facts("claude-haiku-5-5").max_output == 32_000
    with stage(known_models=path) as s:
        moved(path, s, datetime.now(UTC) - timedelta(days=2))
        with pytest.raises(UsageError, match="not max"):
            s.claude.ask("q", model="haiku", effort="max")  # two days old will do until there is news
        told_later(s)
        assert asked(s) == ["/v1/models"]


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"version": 1, "endpoints": {"x": 3}}', '{"version": 9}'])
def test_a_broken_file_is_asked_anew(tmp_path: Path, broken: str):
    path = tmp_path / "models.json"
    path.write_text(broken)
    with stage(known_models=path) as s:
        assert s.claude.ask("q", effort="low").complete
        told_later(s)
        assert asked(s) == ["/v1/models"] and json.loads(path.read_text())["endpoints"]


def test_a_gateway_without_a_models_api_is_asked_once_and_no_question_fails(tmp_path, monkeypatch):
    def broken(*_: object) -> None:
        raise catalogue.Refused(404, "no such route")

    monkeypatch.setattr(catalogue, "answer", broken)
    with stage(known_models=tmp_path / "models.json") as s:
        for _ in range(3):
            assert s.claude.ask("q", effort="low").complete
            told_later(s)
        assert asked(s) == ["/v1/models"] and not (tmp_path / "models.json").exists()


def test_with_replay_the_table_alone_counts(service_says, tmp_path):
    with stage(known_models=tmp_path / "models.json") as s:
        s.claude.ask("q", effort="low")
        told_later(s)
        s.settings.replay, s.settings.replay_dir = "auto", str(tmp_path / "recorded")
        s.claude.ask("q", model="haiku", effort="max")
        told_later(s)
        with pytest.raises(NotFoundError):
            s.claude.ask("q", model="claude-opus-9")
        assert asked(s) == ["/v1/models"] and s.bodies[1]["output_config"]["effort"] == "max"


def test_a_service_that_tells_little_leaves_the_rest_to_the_table():
    model = model_of({"id": "claude-opus-5-5", "capabilities": {}})
    assert model == models.facts("claude-opus-5-5")
    dated = model_of(info(id="claude-haiku-4-5-20251001", line="haiku", max_tokens=50_000))
    catalog = models.Catalog()
    catalog.learn(dated)
    assert catalog.facts("claude-haiku-4-5").max_output == 50_000


@pytest.mark.parametrize(
    ("name", "near"),
    [("sonet", "did you mean sonnet?"), ("Opuss", "did you mean opus?"), ("haikus", "haiku")],
)
def test_a_slip_in_a_lines_name_is_refused_before_anything_is_sent(name, near):
    with stage() as s:
        with pytest.raises(NotFoundError, match=f"no model '{name}'.*{near}"):
            s.claude.ask("q", model=name)
        assert not s.server.requests


def test_any_other_name_passes_to_a_gateway_but_not_to_the_service_itself():
    with stage() as s:
        with pytest.raises(NotFoundError):
            s.claude.ask("q", model="my-own/model")
        assert len(s.bodies) == 1  # the server said so
    with stage() as s:
        s.env.service.client = None
        s.settings.provider = "demo"
        for name in ("my-own/model", "gpt", "sonnet-5-5"):
            with pytest.raises(NotFoundError, match="claude-sonnet-5" if "sonnet" in name else "no model"):
                s.claude.ask("q", model=name, dry_run=True)
        s.settings.prices = {"my-own/model": {"input": 1, "output": 2}}
        assert s.claude.ask("q", model="my-own/model", dry_run=True)


@pytest.mark.parametrize("budget", [0.02, 0.0055, 0.00515])
def test_thinking_with_a_budget_of_its_own_fits_into_what_a_money_budget_leaves(budget):
    with stage("Fine.") as s:  # the strict server refuses thinking that has no room
        s.settings.budget = budget
        s.settings.system = ""  # the budgets are to the token
        answer = s.claude.ask("q", model="claude-haiku-4-5", thinking="show")
        body = s.bodies[-1]
        assert answer.complete and 1024 <= body["max_tokens"] < 16_000
        assert body.get("thinking", {}).get("budget_tokens", 0) < body["max_tokens"]


@pytest.mark.parametrize(
    ("model", "told", "date"),
    [
        ("claude-sonnet-4-5", None, "2026-11-30"),
        ("claude-sonnet-4-5", "2027-03-01T00:00:00Z", "2027-03-01"),
        ("claude-opus-5-5", None, None),
        ("claude-opus-5-5", "2029-01-01", "2029-01-01"),
    ],
)
def test_when_a_model_ends(model, told, date):
    assert learning.retires(model, told) == date


@pytest.mark.parametrize(
    ("words", "date"),
    [
        ("January 22nd, 2027", "2027-01-22"),
        ("November 30th, 2026", "2026-11-30"),
        ("May 1st, 2027", "2027-05-01"),
        ("August 3rd, 2027", "2027-08-03"),
        ("December 31, 2027", "2027-12-31"),
        ("2027-01-22", "2027-01-22"),
    ],
)
def test_the_sdk_s_dates_in_iso(words, date):
    assert learning._iso(words) == date


def test_what_the_sdk_knows_wins_over_the_table_and_its_absence_over_nothing(monkeypatch):
    import anthropic._data

    def ends(**known):
        learning._deprecated.cache_clear()
        monkeypatch.setattr(
            anthropic._data, "DEPRECATED_MODELS", {k.replace("_", "-"): v for k, v in known.items()}
        )
        return learning.retires("claude-sonnet-4-5")

    try:
        assert ends(claude_sonnet_4_5="January 5th, 2028") == "2028-01-05"
        assert ends() == "2026-11-30"  # the table
        assert ends(claude_sonnet_4_5="some day") == "2026-11-30"
        monkeypatch.delattr(anthropic._data, "DEPRECATED_MODELS")
        learning._deprecated.cache_clear()
        assert learning.retires("claude-sonnet-4-5") == "2026-11-30"
    finally:
        learning._deprecated.cache_clear()
