"""Settings: what is taken, from where, and that a wrong value is refused in a line that says what is allowed."""

from __future__ import annotations

import pytest
from traitlets import TraitError

from claude_jupyter.errors import SettingError
from claude_jupyter.settings import Settings


def test_rows_are_a_number_none_or_all():
    settings = Settings()
    for given, kept in ((3, "3"), ("12", "12"), ("None", "none"), ("all", "all")):
        settings.rows = given
        assert settings.rows == kept
    for wrong in (-1, "some", True):
        with pytest.raises(TraitError, match="a number, none or all"):
            settings.rows = wrong


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("MODEL", "opus", "opus"),
        ("BUDGET", "2.5", 2.5),
        ("MAX_TOKENS", "500", 500),
        ("REDACT", "False", False),
        ("PRICES", '{"m": {"input": 1, "output": 2}}', {"m": {"input": 1, "output": 2}}),
        ("EFFORT", "", None),
    ],
)
def test_the_environment_sets_every_setting(name, text, value, monkeypatch):
    monkeypatch.setenv(f"CLAUDE_JUPYTER_{name}", text)
    assert getattr(Settings(), name.lower()) == value


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("BUDGET", "-1", "above 0"),
        ("BUDGET", "abc", "budget takes a number"),
        ("MAX_TOKENS", "many", "takes a whole number"),
        ("BUDGET", "0", "above 0"),
        ("EFFORT", "wild", "'low', 'medium', 'high'"),
        ("PROVIDER", "openai", "bedrock"),
        ("PRICES", "{", "prices takes JSON"),
    ],
)
def test_a_wrong_value_in_the_environment_names_the_variable_and_what_it_takes(name, text, told, monkeypatch):
    monkeypatch.setenv(f"CLAUDE_JUPYTER_{name}", text)
    with pytest.raises(SettingError, match=rf"^CLAUDE_JUPYTER_{name}=") as caught:
        Settings()
    assert told in str(caught.value) and "\n" not in str(caught.value)
