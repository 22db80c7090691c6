"""Which kernel and notebook this is, as far as Jupyter says."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

_OWN_ID = uuid.uuid4().hex


def kernel_id() -> str:
    """The kernel's id as Jupyter knows it, else one of our own for this process."""
    connection = os.environ.get("CLAUDE_JUPYTER_KERNEL_ID")
    if connection:
        return connection
    app = sys.modules.get("ipykernel.kernelapp")
    instance = app.IPKernelApp._instance if app is not None else None
    if instance is not None and instance.connection_file:
        return Path(instance.connection_file).stem.removeprefix("kernel-")
    return _OWN_ID


def notebook_path() -> str | None:
    """The notebook's path at kernel start, as Jupyter Server or VS Code tell it."""
    path = os.environ.get("JPY_SESSION_NAME")
    if path:
        return path
    main = sys.modules.get("__main__")
    return getattr(main, "__vsc_ipynb_file__", None)


def started_in() -> Path:
    """The folder of this process now: at its beginning the notebook's own."""
    try:
        return Path.cwd()
    except OSError:  # deleted meanwhile
        return Path()


def notebook_file(folder: Path) -> Path | None:
    """The open notebook's file, if it can be read from here.

    Parameters
    ----------
    folder
        Where the kernel started.
    """
    path = notebook_path()
    if path is None:
        return None
    # Jupyter Server gives a path below its root; the kernel runs in the notebook's folder.
    candidates = (folder / path, folder / Path(path).name)
    return next((p for p in candidates if p.is_file()), None)
