"""`claude-jupyter check`: in ten lines, is everything set up? It only reads, never repairs, and shows no key."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from claude_jupyter import __version__
from claude_jupyter.client.credentials import credential, make_client
from claude_jupyter.costs.ledger.opening import is_address, try_address
from claude_jupyter.errors import ClaudeError
from claude_jupyter.models import known, resolve
from claude_jupyter.settings import Settings, configured, data_dir

ENDPOINT: Final = "https://api.anthropic.com"
_EXTENSION: Final = "claude-jupyter"

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing that was checked; `missing` means that nothing works properly without it."""

    name: str
    state: State
    text: str


def main() -> tuple[list[str], int]:
    """The lines to print, and the exit status: 1 if something needed is missing."""
    lines = look(os.environ, Path.cwd())
    marks = {"ok": "ok", "note": "--", "missing": "!!"}
    rendered = [f"{marks[line.state]}  {line.name:<9}  {line.text}" for line in lines]
    return rendered, int(any(line.state == "missing" for line in lines))


def look(environ: Mapping[str, str], folder: Path) -> list[CheckLine]:
    """Check everything that a first question needs."""
    python = CheckLine("python", "ok", f"{platform.python_version()}, claude-jupyter {__version__}")
    try:
        settings = configured(environ)
    except ClaudeError as error:
        return [python, CheckLine("settings", "missing", error.message.splitlines()[0])]
    return [
        python,
        _sdk(),
        CheckLine("provider", "ok", settings.provider),
        _model(settings),
        _key(settings, environ, folder),
        _endpoint(settings, environ, folder),
        _widgets(),
        _extension(),
        _ledger(settings, environ),
        _lab(),
    ]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _sdk() -> CheckLine:
    version = _version("anthropic")
    if version is None:
        return CheckLine("SDK", "missing", 'anthropic is not installed: pip install "anthropic>=2.12,<3"')
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    fits = (2, 12) <= numbers < (3,)
    return CheckLine(
        "SDK", "ok" if fits else "missing", f"anthropic {version}" + ("" if fits else "; >=2.12,<3 is needed")
    )


def _model(settings: Settings) -> CheckLine:
    name = resolve(settings.model)
    if known(name) or settings.provider not in ("anthropic", "demo"):
        return CheckLine("model", "ok", name)
    return CheckLine("model", "note", f"{name}: not in this version's list, but the service may have it")


def _key(settings: Settings, environ: Mapping[str, str], folder: Path) -> CheckLine:
    if settings.provider == "demo":
        return CheckLine("key", "ok", "none needed: the embedded offline model answers")
    if settings.provider != "anthropic":
        try:
            make_client(settings, folder=folder)
        except ClaudeError as error:
            return CheckLine("key", "missing", error.message)
        return CheckLine("key", "ok", f"the SDK looks it up for {settings.provider} at the first question")
    credentials = credential(environ, folder)
    if credentials is None:
        return CheckLine(
            "key",
            "missing",
            "not found: set ANTHROPIC_API_KEY, use %claude_key in a notebook, or try claude-jupyter demo",
        )
    return CheckLine("key", "ok", credentials.where)


def _endpoint(settings: Settings, environ: Mapping[str, str], folder: Path) -> CheckLine:
    if settings.provider == "demo":
        return CheckLine("endpoint", "ok", "this machine (127.0.0.1), started on demand")
    if settings.provider != "anthropic":
        return CheckLine("endpoint", "ok", settings.base_url or f"the SDK's default for {settings.provider}")
    credentials = credential(environ, folder)
    own = (credentials.arguments.get("base_url") if credentials else None) or environ.get(
        "ANTHROPIC_BASE_URL"
    )
    address = urlsplit(settings.base_url or own or ENDPOINT)
    if address.scheme not in ("http", "https") or not address.hostname:
        return CheckLine("endpoint", "missing", "base_url is not an http(s) address")
    port = f":{address.port}" if address.port else ""
    return CheckLine("endpoint", "ok", f"{address.scheme}://{address.hostname}{port}{address.path}")


def _widgets() -> CheckLine:
    versions = {name: _version(name) for name in ("ipywidgets", "anywidget")}
    if absent := [name for name, number in versions.items() if number is None]:
        return CheckLine("widgets", "missing", f"pip install {' '.join(absent)}")
    return CheckLine("widgets", "ok", ", ".join(f"{name} {number}" for name, number in versions.items()))


def _extension() -> CheckLine:
    from jupyter_core.paths import jupyter_path

    folders = [
        p for p in map(Path, jupyter_path("labextensions", _EXTENSION)) if (p / "package.json").is_file()
    ]
    if not folders:
        return CheckLine(
            "extension",
            "note",
            "not found: answers still stream in widgets; reinstall claude-jupyter to get it",
        )
    number = json.loads((folders[0] / "package.json").read_text(encoding="utf-8")).get("version")
    if _disabled():
        return CheckLine("extension", "note", f"{number}, disabled: jupyter labextension enable {_EXTENSION}")
    return CheckLine("extension", "ok", f"{number}, enabled")


def _disabled() -> bool:
    """Whether any `page_config.json` switches the JupyterLab extension off."""
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    folders = [Path(p) / "labconfig" for p in jupyter_config_path()] + [
        Path(p) for p in jupyter_path("lab", "settings")
    ]
    for folder in folders:
        try:
            config = json.loads((folder / "page_config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        disabled = config.get("disabledExtensions") or {}
        names = disabled if isinstance(disabled, list) else [name for name, off in disabled.items() if off]
        if _EXTENSION in names:
            return True
    return False


def _ledger(settings: Settings, environ: Mapping[str, str]) -> CheckLine:
    if is_address(settings.ledger):
        try:
            address, silence = try_address(settings.ledger)
        except ClaudeError as error:
            return CheckLine("ledger", "missing", error.message)
        if silence:
            return CheckLine(
                "ledger", "note", f"{address} does not answer ({silence}): costs wait on this machine"
            )
        return CheckLine("ledger", "ok", address)
    try:
        path = Path(settings.ledger).expanduser() if settings.ledger else data_dir(environ) / "ledger.db"
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK) or not place.parent.exists():
            return CheckLine("ledger", "missing", f"{path} cannot be written: costs are not saved")
    except OSError as error:
        return CheckLine("ledger", "missing", f"cannot be written ({error.strerror}): costs are not saved")
    return CheckLine("ledger", "ok", str(path))


def _lab() -> CheckLine:
    frontends = [
        f"{title} {number}"
        for name, title in (("jupyterlab", "JupyterLab"), ("notebook", "Notebook"))
        if (number := _version(name))
    ]
    if not frontends:
        return CheckLine(
            "frontend",
            "note",
            'no JupyterLab in this environment: pip install "claude-jupyter[lab]", or use VS Code, Colab, …',
        )
    return CheckLine("frontend", "ok", ", ".join(frontends))
