"""`claude-jupyter check`: in ten lines whether all is well. It reads, it does not repair, and it shows no key."""

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
from claude_jupyter.client.providers import credential, make_client
from claude_jupyter.errors import ClaudeError
from claude_jupyter.models import known, resolve
from claude_jupyter.settings import Settings, configured, data_dir

ENDPOINT: Final = "https://api.anthropic.com"
_EXTENSION: Final = "claude-jupyter"

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at; `missing` means that nothing works properly without it."""

    name: str
    state: State
    text: str


def main() -> tuple[list[str], int]:
    """The lines to print, and the exit status: 1 if something needed is missing."""
    lines = look(os.environ, Path.cwd())
    marks = {"ok": "ok", "note": "--", "missing": "!!"}
    shown = [f"{marks[line.state]}  {line.name:<9}  {line.text}" for line in lines]
    return shown, int(any(line.state == "missing" for line in lines))


def look(environ: Mapping[str, str], folder: Path) -> list[Line]:
    """Look at everything a first question needs."""
    python = Line("python", "ok", f"{platform.python_version()}, claude-jupyter {__version__}")
    try:
        settings = configured(environ)
    except ClaudeError as error:
        return [python, Line("settings", "missing", error.message.splitlines()[0])]
    return [
        python,
        _sdk(),
        Line("provider", "ok", settings.provider),
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


def _sdk() -> Line:
    found = _version("anthropic")
    if found is None:
        return Line("SDK", "missing", 'anthropic is not installed: pip install "anthropic>=2.12,<3"')
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    fits = (2, 12) <= numbers < (3,)
    return Line(
        "SDK", "ok" if fits else "missing", f"anthropic {found}" + ("" if fits else "; >=2.12,<3 is needed")
    )


def _model(settings: Settings) -> Line:
    name = resolve(settings.model)
    if known(name) or settings.provider not in ("anthropic", "demo"):
        return Line("model", "ok", name)
    return Line("model", "note", f"{name}: not in this version's list; the service may know it")


def _key(settings: Settings, environ: Mapping[str, str], folder: Path) -> Line:
    if settings.provider == "demo":
        return Line("key", "ok", "none needed: the embedded offline model answers")
    if settings.provider != "anthropic":
        try:
            make_client(settings, folder=folder)
        except ClaudeError as error:
            return Line("key", "missing", error.message)
        return Line("key", "ok", f"looked up by the SDK for {settings.provider} at the first question")
    found = credential(environ, folder)
    if found is None:
        return Line(
            "key",
            "missing",
            "not found: ANTHROPIC_API_KEY, or %claude_key in a notebook, or claude-jupyter demo",
        )
    return Line("key", "ok", found.where)


def _endpoint(settings: Settings, environ: Mapping[str, str], folder: Path) -> Line:
    if settings.provider == "demo":
        return Line("endpoint", "ok", "this machine (127.0.0.1), started on demand")
    if settings.provider != "anthropic":
        return Line("endpoint", "ok", settings.base_url or f"the SDK's own for {settings.provider}")
    found = credential(environ, folder)
    own = (found.arguments.get("base_url") if found else None) or environ.get("ANTHROPIC_BASE_URL")
    address = urlsplit(settings.base_url or own or ENDPOINT)
    if address.scheme not in ("http", "https") or not address.hostname:
        return Line("endpoint", "missing", "base_url is not an http(s) address")
    port = f":{address.port}" if address.port else ""
    return Line("endpoint", "ok", f"{address.scheme}://{address.hostname}{port}{address.path}")


def _widgets() -> Line:
    found = {name: _version(name) for name in ("ipywidgets", "anywidget")}
    if absent := [name for name, number in found.items() if number is None]:
        return Line("widgets", "missing", f"pip install {' '.join(absent)}")
    return Line("widgets", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _extension() -> Line:
    from jupyter_core.paths import jupyter_path

    found = [
        p for p in map(Path, jupyter_path("labextensions", _EXTENSION)) if (p / "package.json").is_file()
    ]
    if not found:
        return Line(
            "extension",
            "note",
            "not found: answers still stream in widgets; reinstalling claude-jupyter brings it",
        )
    number = json.loads((found[0] / "package.json").read_text(encoding="utf-8")).get("version")
    if _disabled():
        return Line("extension", "note", f"{number}, disabled: jupyter labextension enable {_EXTENSION}")
    return Line("extension", "ok", f"{number}, enabled")


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


def _ledger(settings: Settings, environ: Mapping[str, str]) -> Line:
    try:
        path = Path(settings.ledger).expanduser() if settings.ledger else data_dir(environ) / "ledger.db"
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK) or not place.parent.exists():
            return Line("ledger", "missing", f"{path} cannot be written: costs are not kept")
    except OSError as error:
        return Line("ledger", "missing", f"cannot be written ({error.strerror}): costs are not kept")
    return Line("ledger", "ok", str(path))


def _lab() -> Line:
    found = [
        f"{title} {number}"
        for name, title in (("jupyterlab", "JupyterLab"), ("notebook", "Notebook"))
        if (number := _version(name))
    ]
    if not found:
        return Line(
            "frontend",
            "note",
            'no JupyterLab in this environment: pip install "claude-jupyter[lab]", or VS Code, Colab, …',
        )
    return Line("frontend", "ok", ", ".join(found))
