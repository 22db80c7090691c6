"""Each kernel that has loaded the extension writes a small file, so that `claude-jupyter mcp` can find it. No port is opened."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from claude_jupyter.files import private_folder, write_whole
from claude_jupyter.kernel.identity import kernel_id, notebook_path

FOLDER: Final = "kernels"


@dataclass(frozen=True, slots=True)
class Registration:
    """One kernel of this user.

    Attributes
    ----------
    connection
        Its connection file.
    started
        When its process began, in seconds since 1970: another process may get the same number later.
    loaded
        When it loaded the extension, in ISO 8601.
    """

    id: str
    pid: int
    connection: str
    started: float
    notebook: str
    python: str
    loaded: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        import psutil

        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.Error:
            return False


def register(data: Path) -> Path | None:
    """Leave the file of this kernel; None if this process is no kernel.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    app = sys.modules.get("ipykernel.kernelapp")
    instance = app.IPKernelApp._instance if app is not None else None
    if instance is None or not instance.abs_connection_file:
        return None
    import psutil

    here = Registration(
        id=kernel_id(),
        pid=os.getpid(),
        connection=instance.abs_connection_file,
        started=psutil.Process().create_time(),
        notebook=Path(notebook_path() or "").name,
        python=platform.python_version(),
        loaded=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    path = private_folder(data / FOLDER) / f"{here.id}.json"
    write_whole(path, json.dumps(asdict(here)))
    return path


def registered(data: Path) -> Iterator[Registration]:
    """The kernels that run now, newest first; files of others are removed."""
    registrations: list[Registration] = []
    for path in sorted((data / FOLDER).glob("*.json")):
        try:
            one = Registration(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            continue
        if one.alive and Path(one.connection).is_file():
            registrations.append(one)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    yield from sorted(registrations, key=lambda one: one.loaded, reverse=True)
