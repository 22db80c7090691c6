"""The settings of SPEC section 9: one traitlets class, read from config files, the environment and `%config ClaudeMagics`.

Also the places where user data lives. Nothing here reads a key: credentials are the SDK's business (`client/providers.py`).
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, CaselessStrEnum, Dict, Float, Int, TraitError, TraitType, Unicode, Union, validate
from traitlets.config import Config, Configurable
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from claude_jupyter.errors import SettingError
from claude_jupyter.files import private_folder

DEFAULT_MODEL: Final = "claude-sonnet-5-5"
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
THINKING: Final = ("show", "hide", "off")
PROVIDERS: Final = ("anthropic", "bedrock", "vertex", "foundry", "aws", "google_cloud", "demo")
CACHES: Final = ("auto", "5m", "1h", "off")
ENV_PREFIX: Final = "CLAUDE_JUPYTER_"
_TRAIT: Final = re.compile(r"^The (?:value of the )?'(\w+)' trait of an? \w+ instance ")


class Rows(TraitType[str, str | int]):
    """How many rows may leave: a number (as text or not), `none` or `all`."""

    info_text = "a number, none or all"

    def from_string(self, s: str) -> str:
        """As from the environment."""
        return s

    def validate(self, obj: Any, value: Any) -> str:
        """The value as text.

        Raises
        ------
        TraitError
            For anything else.
        """
        text = str(value).strip().lower()
        if isinstance(value, bool) or not (text in ("none", "all") or text.isdecimal()):
            raise TraitError(f"rows takes a number, none or all, not {value!r}")
        return text


class Settings(Configurable):
    """All settings; `ClaudeMagics` inherits them, so that IPython's `%config ClaudeMagics` and config files reach them.

    Raises
    ------
    SettingError
        For a value of the environment or of a config file that is not allowed; `traitlets.TraitError` for one set later.
    """

    model = Unicode(
        DEFAULT_MODEL, help="Model id, or a line (opus, sonnet, haiku, fable) for its newest model."
    ).tag(config=True)
    system = Unicode("", help="System prompt of every new conversation.").tag(config=True)
    max_tokens = Int(16000, min=1, help="The longest answer, in tokens, thinking included.").tag(config=True)
    effort = CaselessStrEnum(
        EFFORTS, None, allow_none=True, help="How hard the model works; unset: the model's default."
    ).tag(config=True)
    thinking = CaselessStrEnum(
        THINKING, "show", help="show (summarised, folded), hide, or off (as little as the model allows)."
    ).tag(config=True)
    provider = CaselessStrEnum(
        PROVIDERS, "anthropic", help="Who answers; demo is the embedded offline model."
    ).tag(config=True)
    base_url = Unicode(None, allow_none=True, help="Endpoint, for a gateway or proxy.").tag(config=True)
    timeout = Float(600.0, min=0.001, help="Seconds without a byte before giving up.").tag(config=True)
    max_retries = Int(2, min=0, max=20, help="How often a busy or unreachable service is tried again.").tag(
        config=True
    )
    cache = CaselessStrEnum(CACHES, "auto", help="Prompt caching: auto, 5m, 1h or off.").tag(config=True)
    rows = Rows("10", help="Rows of a dataframe that may leave the machine: a number, none or all.").tag(
        config=True
    )
    frame_tokens = Int(2000, min=100, help="The longest profile of one dataframe, in tokens.").tag(
        config=True
    )
    redact = Bool(True, help="Replace secrets in everything sent by [redacted NAME].").tag(config=True)
    thumbnails = Bool(True, help="Keep small thumbnails of sent images in the answer.").tag(config=True)
    confirm_above = Float(1.0, min=0, help="Ask before a request estimated above this many USD.").tag(
        config=True
    )
    budget = Float(None, allow_none=True, help="USD this kernel may spend.").tag(config=True)
    notebook_budget = Float(None, allow_none=True, help="USD this notebook may spend.").tag(config=True)
    daily_budget = Float(None, allow_none=True, help="USD a day, all kernels of this user.").tag(config=True)
    prices = Dict(
        help="Your own prices, USD per million tokens: {model: {input, output, cache_read, "
        "cache_write_5m, cache_write_1h}}."
    ).tag(config=True)
    user = Unicode("", help="Name in the ledger; empty: JupyterHub's or the system's.").tag(config=True)
    notebook_totals = Bool(True, help="Keep the notebook's running total in its metadata.").tag(config=True)
    replay = CaselessStrEnum(
        ("off", "auto", "only"), "off", help="Answer from recordings where there are some."
    ).tag(config=True)
    replay_dir = Unicode(".claude_replay", help="Folder of the recordings.").tag(config=True)
    journal = CaselessStrEnum(
        ("on", "text", "off"), "on", help="What is kept on disk of finished turns."
    ).tag(config=True)
    journal_days = Int(30, min=0, help="Days that the journal is kept.").tag(config=True)
    compact = CaselessStrEnum(
        ("auto", "off"), "auto", help="Let the service condense conversations that outgrow the context."
    ).tag(config=True)
    max_tool_rounds = Int(10, min=1, help="How many rounds of tool calls one question may take.").tag(
        config=True
    )
    widget = CaselessStrEnum(("auto", "on", "off"), "auto", help="Whether answers stream in a widget.").tag(
        config=True
    )
    ledger = Unicode("", help="Path of the ledger; empty: ledger.db in the data folder.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        try:
            super().__init__(**kwargs)
        except TraitError as error:
            raise SettingError(f"c.ClaudeMagics in a config file: {_plain(error)}") from None
        self.load_environment(os.environ)

    @validate("model")
    def _valid_model(self, proposal: Mapping[str, Any]) -> str:
        value = proposal["value"].strip()
        if not value:
            raise TraitError(
                f"model takes a model id ({DEFAULT_MODEL}) or a line (opus, sonnet, haiku, fable), not nothing"
            )
        return value

    @validate("base_url")
    def _valid_address(self, proposal: Mapping[str, Any]) -> str | None:
        value = (proposal["value"] or "").strip() or None
        if value is not None and not re.match(r"https?://[^/\s]", value):
            raise TraitError("base_url takes an address that begins with http:// or https://, or None")
        return value

    @validate("budget", "notebook_budget", "daily_budget")
    def _valid_budget(self, proposal: Mapping[str, Any]) -> float | None:
        value = proposal["value"]
        if value is not None and not 0 < value < math.inf:
            name = proposal["trait"].name
            raise TraitError(f"{name} takes an amount in USD above 0, or None for no limit; not {value!r}")
        return value

    @validate("confirm_above")
    def _valid_amount(self, proposal: Mapping[str, Any]) -> float:
        value = proposal["value"]
        if math.isnan(value):
            raise TraitError("confirm_above takes an amount in USD, not nan")
        return value

    def load_environment(self, environ: Mapping[str, str]) -> None:
        """Take `CLAUDE_JUPYTER_<SETTING>` for every setting; the environment wins over config files.

        Raises
        ------
        SettingError
            Naming the variable and what it takes.
        """
        for name, trait in self.traits(config=True).items():
            text = environ.get(ENV_PREFIX + name.upper())
            if text is None or name not in Settings.class_trait_names():
                continue
            try:
                setattr(self, name, _parse(trait, text))
            except TraitError as error:
                told = _plain(error).removeprefix(f"{name}: ")
                raise SettingError(f"{ENV_PREFIX}{name.upper()}={text}: {told}") from None
            except ValueError:
                raise SettingError(
                    f"{ENV_PREFIX}{name.upper()}={text}: {name} takes {_kind(trait)}"
                ) from None


def _parse(trait: TraitType[Any, Any], text: str) -> Any:
    if isinstance(trait, Union | Dict):
        import json

        return json.loads(text)
    if text == "" and trait.allow_none:
        return None
    return trait.from_string(text)


def _kind(trait: TraitType[Any, Any]) -> str:
    kinds = {Int: "a whole number", Float: "a number", Bool: "True or False", Dict: "JSON", Union: "JSON"}
    return next((words for kind, words in kinds.items() if isinstance(trait, kind)), "another value")


def _plain(error: Exception) -> str:
    """traitlets' own words, without those for programmers: `effort: expected any of …`."""
    return _TRAIT.sub(r"\1: ", str(error))


def configured(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that a kernel of the default IPython profile would have, for the commands of a shell.

    Raises
    ------
    SettingError
        For a value that is not allowed, or a config file that cannot be read.
    """
    home = Path(environ.get("IPYTHONDIR") or Path.home() / ".ipython").expanduser() / "profile_default"
    found = Config()
    for name in ("ipython_config", "ipython_kernel_config"):
        for kind, loader in ((".json", JSONFileConfigLoader), (".py", PyFileConfigLoader)):
            if not (home / f"{name}{kind}").is_file():
                continue
            try:
                found.merge(loader(f"{name}{kind}", path=str(home)).load_config())
            except Exception as error:  # the file is a program of the user's
                raise SettingError(
                    f"{name}{kind} cannot be read ({type(error).__name__}: {error})."
                ) from None
    return Settings(config=Config({"Settings": found.get("ClaudeMagics", {})}))


def data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of user data, made with mode 700: `CLAUDE_JUPYTER_DATA_DIR`, else under Jupyter's own.

    Raises
    ------
    OSError
        Where it cannot be made; callers degrade with one warning.
    """
    override = environ.get("CLAUDE_JUPYTER_DATA_DIR")
    path = Path(override) if override else Path(jupyter_data_dir()) / "claude_jupyter"
    return private_folder(path)


def user_name(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Whose row in the ledger: the setting, JupyterHub's user, or the system's."""
    if settings.user or environ.get("JUPYTERHUB_USER"):
        return settings.user or environ["JUPYTERHUB_USER"]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown" if sys.platform != "win32" else environ.get("USERNAME", "unknown")
