"""The settings: one traitlets class, read from config files, the environment and `%config ClaudeMagics`.

Also the folders for user data. Nothing here reads a key: credentials are handled in `client/credentials.py`.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, CaselessStrEnum, Dict, Float, Int, TraitError, TraitType, Unicode, validate
from traitlets.config import Config, Configurable
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from claude_jupyter.errors import SettingError
from claude_jupyter.files import private_folder
from claude_jupyter.providers import PROVIDERS

DEFAULT_MODEL: Final = "claude-sonnet-5-5"
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
THINKING: Final = ("show", "hide", "off")
CACHES: Final = ("auto", "5m", "1h", "warm", "off")
ENV_PREFIX: Final = "CLAUDE_JUPYTER_"
_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^:/@\s]*:)[^/\s]*(?=@)|(?<=[?&]password=)[^&]*")
_TRAIT: Final = re.compile(r"^The (?:value of the )?'(\w+)' trait of an? \w+ instance ")


class Rows(TraitType[str | int, str | int]):
    """How many rows may be sent: a number (also as text), `none` or `all`."""

    info_text = "a number, none or all"

    def from_string(self, s: str) -> str:
        """As from the environment."""
        return s

    def validate(self, obj: Any, value: Any) -> str | int:
        """The number, or the word.

        Raises
        ------
        TraitError
            For anything else.
        """
        text = str(value).strip().lower()
        if isinstance(value, bool) or not (text in ("none", "all") or text.isdecimal()):
            raise TraitError(f"rows must be a number, none or all, not {value!r}")
        return int(text) if text.isdecimal() else text


class McpServers(TraitType[Any, Any]):
    """MCP servers: entries by name, or the name of a file with them."""

    info_text = "a dict of entries by name, or the name of a file"

    def from_string(self, s: str) -> Any:
        """As from the environment: JSON, or the name of a file.

        Raises
        ------
        ValueError
            For what begins like JSON and is none.
        """
        return json.loads(s) if s.lstrip().startswith("{") else s.strip()

    def validate(self, obj: Any, value: Any) -> Any:
        """The value, its entries not looked into.

        Raises
        ------
        TraitError
            For anything else.
        """
        if isinstance(value, str | os.PathLike):
            return os.fspath(value)
        if isinstance(value, Mapping):
            servers = cast("Mapping[Any, Any]", value)
            servers = servers.get("mcpServers", servers)
            odd = [name for name, entry in servers.items() if not _is_entry(entry)]
            if not odd:
                return dict(cast("Mapping[str, Any]", value))
            raise TraitError(f'mcp: the entry {odd[0]!r} takes {{"command": …}} or {{"url": …}}')
        raise TraitError(
            f'mcp takes {{name: {{"command": …}} or {{"url": …}}}}, or the name of a file; not {value!r}'
        )


class Address(str):
    """The ledger's path or address: as it was set, and shown without the password that it may hold."""

    def __repr__(self) -> str:
        return repr(_PASSWORD.sub(lambda match: f"{match['user'] or ''}***", self))


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and ("command" in entry) != ("url" in entry)


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
    system = Unicode(
        "auto",
        help="System prompt of every new conversation; auto: where the answer is shown and which versions are in use; empty: none.",
    ).tag(config=True)
    instructions = Bool(
        False,
        help="Send the nearest CLAUDE.md (next to the notebook or in a folder above it, up to the repository's root) in the system prompt.",
    ).tag(config=True)
    look = Bool(False, help="Let Claude look around in the kernel in every question (--look).").tag(
        config=True
    )
    mcp = McpServers(
        {}, help="MCP servers for --mcp: entries by name as in .mcp.json, or the name of such a file."
    ).tag(config=True)
    max_tokens = Int(16000, min=1, help="Maximum length of an answer in tokens, including thinking.").tag(
        config=True
    )
    effort = CaselessStrEnum(
        EFFORTS, None, allow_none=True, help="How hard the model works; unset: the model's default."
    ).tag(config=True)
    thinking = CaselessStrEnum(
        THINKING, "show", help="show (summarized, folded), hide, or off (as little as the model allows)."
    ).tag(config=True)
    provider = CaselessStrEnum(
        tuple(PROVIDERS), "anthropic", help="Who answers; demo is the embedded offline model."
    ).tag(config=True)
    base_url = Unicode(None, allow_none=True, help="Endpoint, for a gateway or proxy.").tag(config=True)
    timeout = Float(600.0, min=0.001, help="Seconds without any data before giving up.").tag(config=True)
    max_retries = Int(2, min=0, max=20, help="How many times to retry a busy or unreachable service.").tag(
        config=True
    )
    cache = CaselessStrEnum(
        CACHES,
        "auto",
        help="Prompt caching: auto (5 minutes or an hour, whichever is cheaper), 5m, 1h, warm (reads entries before "
        "they expire, for two hours after a question, at a small cost each), or off.",
    ).tag(config=True)
    rows = Rows(10, help="Rows of a dataframe that may be sent: a number, none or all.").tag(config=True)
    frame_tokens = Int(2000, min=100, help="Maximum length of a dataframe's profile, in tokens.").tag(
        config=True
    )
    text_tokens = Int(
        None,
        min=100,
        allow_none=True,
        help="The longest text or text file that is sent in full, in tokens; None: whatever fits in the model's context.",
    ).tag(config=True)
    context_tokens = Int(
        15_000, min=500, help="How many tokens -l all may send; newer cells are sent in more detail."
    ).tag(config=True)
    redact = Bool(True, help="Replace secrets in everything sent by [redacted NAME].").tag(config=True)
    figure_data = Bool(True, help="Send a figure's data along with its image.").tag(config=True)
    thumbnails = Bool(True, help="Keep small thumbnails of sent images in the answer.").tag(config=True)
    confirm_above = Float(
        1.0, min=0, allow_none=True, help="Ask before a request estimated above this many USD; None: never."
    ).tag(config=True)
    budget = Float(None, allow_none=True, help="USD this kernel may spend.").tag(config=True)
    notebook_budget = Float(None, allow_none=True, help="USD this notebook may spend.").tag(config=True)
    daily_budget = Float(None, allow_none=True, help="USD per day, for all kernels of this user.").tag(
        config=True
    )
    prices = Dict(
        help="Your own prices, USD per million tokens: {model: {input, output, cache_read, "
        "cache_write_5m, cache_write_1h}}."
    ).tag(config=True)
    user = Unicode("", help="Your name in the ledger; empty: from JupyterHub or the system.").tag(config=True)
    notebook_totals = Bool(True, help="Keep the notebook's running total in its metadata.").tag(config=True)
    replay = CaselessStrEnum(
        ("off", "auto", "only"), "off", help="Whether to answer from recordings where they exist."
    ).tag(config=True)
    replay_dir = Unicode(".claude_replay", help="Folder for the recordings.").tag(config=True)
    journal = CaselessStrEnum(
        ("on", "text", "off"), "on", help="Whether finished turns are saved to disk."
    ).tag(config=True)
    journal_days = Int(30, min=0, help="How many days to keep the journal.").tag(config=True)
    approve = CaselessStrEnum(
        ("effects", "each"),
        "effects",
        help="Which cells wait for approval under --do auto: by their effects, or each cell.",
    ).tag(config=True)
    max_steps = Int(30, min=1, help="How many cells Claude may propose in one piece of work (--do).").tag(
        config=True
    )
    compact = CaselessStrEnum(
        ("auto", "off"), "auto", help="Let the service summarize conversations that outgrow the context."
    ).tag(config=True)
    max_tool_rounds = Int(10, min=1, help="How many rounds of tool calls one question may take.").tag(
        config=True
    )
    widget = CaselessStrEnum(("auto", "on", "off"), "auto", help="Whether answers stream in a widget.").tag(
        config=True
    )
    tracing = CaselessStrEnum(
        ("off", "on", "content"),
        "off",
        help="OpenTelemetry spans for questions, if the process has a tracer: off, on, or content (with what was asked and answered).",
    ).tag(config=True)
    ledger = Unicode(
        "",
        help="Path of the ledger, or a database's address (extra team); empty: ledger.db in the data folder.",
    ).tag(config=True)

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
                f"model must be a model id ({DEFAULT_MODEL}) or a family (opus, sonnet, haiku, fable), not empty"
            )
        return value

    @validate("base_url")
    def _valid_address(self, proposal: Mapping[str, Any]) -> str | None:
        value = (proposal["value"] or "").strip() or None
        if value is not None and not re.match(r"https?://[^/\s]", value):
            raise TraitError("base_url must be an address that begins with http:// or https://, or None")
        return value

    @validate("ledger")
    def _valid_ledger(self, proposal: Mapping[str, Any]) -> str:
        return Address(proposal["value"])

    @validate("budget", "notebook_budget", "daily_budget")
    def _valid_budget(self, proposal: Mapping[str, Any]) -> float | None:
        value = proposal["value"]
        if value is not None and not 0 < value < math.inf:
            name = proposal["trait"].name
            raise TraitError(f"{name} must be an amount in USD above 0, or None for no limit, not {value!r}")
        return value

    @validate("confirm_above")
    def _valid_amount(self, proposal: Mapping[str, Any]) -> float | None:
        value = proposal["value"]
        if value is not None and math.isnan(value):
            raise TraitError("confirm_above must be an amount in USD, or None for never, not nan")
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
                setattr(self, name, parse(trait, text))
            except TraitError as error:
                reason = _plain(error).removeprefix(f"{name}: ")
                raise SettingError(f"{ENV_PREFIX}{name.upper()}={text}: {reason}") from None
            except ValueError:
                raise SettingError(
                    f"{ENV_PREFIX}{name.upper()}={text}: {name} must be {_kind(trait)}"
                ) from None


def parse(trait: TraitType[Any, Any], text: str) -> Any:
    """The value of a setting from text, as it appears in the environment.

    Raises
    ------
    ValueError, TraitError
        For what is none.
    """
    if isinstance(trait, Dict):
        return json.loads(text)
    if text == "" and trait.allow_none:
        return None
    return trait.from_string(text)


def refusal(settings: Settings, name: str, error: Exception) -> str:
    """Why a setting's value was refused: `rows: expected a number, none or all`."""
    if isinstance(error, TraitError):
        return f"{name}: {_plain(error).removeprefix(f'{name}: ')}"
    return f"{name} must be {_kind(settings.traits(config=True)[name])}"


def _kind(trait: TraitType[Any, Any]) -> str:
    kinds = {
        Int: "a whole number",
        Float: "a number",
        Bool: "True or False",
        Dict: "JSON",
        McpServers: "JSON or the name of a file",
    }
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
    config = Config()
    for name in ("ipython_config", "ipython_kernel_config"):
        for kind, loader in ((".json", JSONFileConfigLoader), (".py", PyFileConfigLoader)):
            if not (home / f"{name}{kind}").is_file():
                continue
            try:
                config.merge(loader(f"{name}{kind}", path=str(home)).load_config())
            except Exception as error:  # the file is a program of the user's
                raise SettingError(
                    f"{name}{kind} cannot be read ({type(error).__name__}: {error})."
                ) from None
    return Settings(config=Config({"Settings": config.get("ClaudeMagics", {})}))


def data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for user data, created with mode 700: `CLAUDE_JUPYTER_DATA_DIR`, else under Jupyter's own.

    Raises
    ------
    OSError
        If it cannot be made; callers degrade with one warning.
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
