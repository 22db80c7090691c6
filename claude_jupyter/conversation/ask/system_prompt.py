"""The default system prompt (where the answer is shown, which versions are in use), and the project's `CLAUDE.md`."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.sql import engines

AUTO: Final = "auto"
INSTRUCTIONS: Final = "CLAUDE.md"
LONGEST: Final = 40_000
_LIBRARIES: Final = (
    "numpy", "pandas", "polars", "pyarrow", "duckdb", "dask", "ibis", "pyspark", "xarray", "scipy", "sklearn", "statsmodels",
    "torch", "matplotlib", "seaborn", "plotly", "altair", "bokeh", "plotnine",
)  # fmt: skip
_MOST: Final = 8
"""How many libraries are named, the most used first."""
_WHERE_SHOWN: Final = (
    "Your answer is shown in a Jupyter notebook, below the cell that asks. Markdown with tables and LaTeX ($…$, $$…$$) is rendered. "
    "Put Python code in fenced ```python blocks; the user can insert them as cells, so each should run as it stands with the "
    "notebook's variables."
)
_VERSIONS: Final = re.compile(rf"\A{re.escape(_WHERE_SHOWN)} Python [^\n]*")


def auto(modules: Mapping[str, Any] = sys.modules) -> str:
    """About 100 tokens, to be made once for a chat: what is imported later does not change it, so that the cache holds."""
    used = [name for name in _LIBRARIES if name in modules and name not in engines.imported]
    libraries = [f"{name} {version}" for name in used if (version := _version(name))]
    libraries = libraries[:_MOST]
    using = f" with {', '.join(libraries)}" if libraries else ""
    return f"{_WHERE_SHOWN} Python {platform.python_version()}{using}."


def without_versions(text: str) -> str:
    """A system prompt as it is on every machine: where it begins with the one by default, its versions are left out."""
    return _VERSIONS.sub(_WHERE_SHOWN, text, count=1)


def _version(name: str) -> str | None:
    try:
        return version("scikit-learn" if name == "sklearn" else name)
    except PackageNotFoundError:
        number = getattr(sys.modules.get(name), "__version__", None)
        return number if isinstance(number, str) else None


def instructions(folder: Path) -> str:
    """The nearest `CLAUDE.md`: next to the notebook, or above it up to the repository's root; empty if there is none.

    Without a repository only the notebook's own folder is looked at.

    Raises
    ------
    UsageError
        For one that cannot be read.
    """
    folder = folder.resolve()
    root = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
    for place in (folder, *folder.parents):
        file = place / INSTRUCTIONS
        if file.is_file():
            return _text(file)
        if place == root:
            break
    return ""


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise UsageError(
            f"{INSTRUCTIONS} cannot be read ({error.strerror}). Set instructions = False to ask without it."
        ) from None
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n[… {len(text) - LONGEST:,} characters left out …]"
    return f"Instructions of this project ({INSTRUCTIONS}):\n\n{text}" if text else ""
