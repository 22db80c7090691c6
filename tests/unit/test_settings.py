"""Settings: what is taken, from where, and that a wrong value is refused in a line that says what is allowed."""

from __future__ import annotations

import pytest
from traitlets import TraitError

from claude_jupyter.errors import SettingError
from claude_jupyter.settings import Settings, configured


def test_rows_are_a_number_none_or_all():
    settings = Settings()
    assert settings.rows == 10
    for given, kept in ((3, 3), ("12", 12), ("None", "none"), ("all", "all")):
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
        ("LOOK", "True", True),
        ("INSTRUCTIONS", "True", True),
        ("SYSTEM", "Be brief.", "Be brief."),
        ("FIGURE_DATA", "False", False),
        ("TEXT_TOKENS", "5000", 5000),
        ("TEXT_TOKENS", "", None),
        ("CONTEXT_TOKENS", "4000", 4000),
    ],
)
def test_the_environment_sets_every_setting(name, text, value, monkeypatch):
    monkeypatch.setenv(f"CLAUDE_JUPYTER_{name}", text)
    assert getattr(Settings(), name.lower()) == value


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("BUDGET", "-1", "above 0"),
        ("BUDGET", "abc", "budget must be a number"),
        ("MAX_TOKENS", "many", "must be a whole number"),
        ("BUDGET", "0", "above 0"),
        ("EFFORT", "wild", "'low', 'medium', 'high'"),
        ("PROVIDER", "openai", "bedrock"),
        ("PRICES", "{", "prices must be JSON"),
        ("LOOK", "perhaps", "look"),
        ("FIGURE_DATA", "2", "figure_data"),
        ("TEXT_TOKENS", "few", "text_tokens"),
        ("CONTEXT_TOKENS", "10", "less than 500"),
    ],
)
def test_a_wrong_value_in_the_environment_names_the_variable_and_what_it_takes(name, text, told, monkeypatch):
    monkeypatch.setenv(f"CLAUDE_JUPYTER_{name}", text)
    with pytest.raises(SettingError, match=rf"^CLAUDE_JUPYTER_{name}=") as caught:
        Settings()
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, wrong", [("model", " "), ("base_url", "gateway.example"), ("base_url", "ftp://x")]
)
def test_what_can_never_work_is_refused_when_it_is_set(name, wrong):
    settings = Settings()
    before = getattr(settings, name)
    with pytest.raises(TraitError, match=f"^{name} must be"):
        setattr(settings, name, wrong)
    assert getattr(settings, name) == before


def test_a_base_url_can_be_taken_back():
    settings = Settings()
    settings.base_url = "https://gateway.example/claude"
    settings.base_url = ""
    assert settings.base_url is None


@pytest.fixture
def profile(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    folder = tmp_path / "profile_default"
    folder.mkdir()
    return folder


def test_a_shell_reads_the_config_files_of_the_profile_and_the_environment_wins(profile, monkeypatch):
    (profile / "ipython_config.py").write_text("c.ClaudeMagics.rows = 3\nc.ClaudeMagics.model = 'haiku'\n")
    (profile / "ipython_kernel_config.json").write_text('{"ClaudeMagics": {"model": "opus"}}')
    monkeypatch.setenv("CLAUDE_JUPYTER_USER", "ada")
    settings = configured()
    assert (settings.rows, settings.model, settings.user) == (3, "opus", "ada")


@pytest.mark.parametrize(
    "line, told",
    [
        ("c.ClaudeMagics.effort = 'wild'", "effort: expected any of ['low', 'medium'"),
        ("c.ClaudeMagics.max_tokens = 'many'", "max_tokens: expected an int, not the str 'many'"),
        ("c.ClaudeMagics.timeout = -1.0", "timeout: should not be less than"),
        ("c.ClaudeMagics.budget = -1", "budget must be an amount in USD above 0"),
        ("c.ClaudeMagics.rows = 'few'", "a number, none or all"),
        ("1 / 0", "ipython_config.py cannot be read (ZeroDivisionError"),
    ],
)
def test_a_wrong_config_file_is_one_line(profile, line, told):
    (profile / "ipython_config.py").write_text(f"{line}\n")
    with pytest.raises(SettingError) as caught:
        configured()
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (
            "postgresql+psycopg://ada:pass@w0rd@db.example.org/costs",
            "postgresql+psycopg://ada:***@db.example.org/costs",
        ),
        ("postgresql://db/costs?user=ada&password=pa:ss", "postgresql://db/costs?user=ada&password=***"),
        (
            "postgresql+psycopg://ada@db.example.org:5432/costs",
            "postgresql+psycopg://ada@db.example.org:5432/costs",
        ),
        ("/srv/my:costs@home.db", "/srv/my:costs@home.db"),
    ],
)
def test_the_password_in_a_database_address_is_kept_and_never_shown(address, shown, monkeypatch):
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", address)
    settings = Settings()
    assert settings.ledger == address and repr(settings.ledger) == repr(shown)
    assert f"Current: {shown!r}" in Settings.class_get_trait_help(Settings.ledger, settings)
