"""The npm package `@copilotkit/aimock` as a second, independent server (`tests/wire/package.json`)."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "wire"


@contextmanager
def aimock(folder: Path, fixtures: Sequence[dict[str, Any]], *options: str) -> Iterator[str]:
    """A running aimock that answers by `fixtures`; its address."""
    file = folder / "fixtures.json"
    file.write_text(json.dumps({"fixtures": fixtures}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = FOLDER / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(program), "-p", str(port), "-h", "127.0.0.1", "-f", str(file), *options]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, process)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/__aimock/journal", timeout=1):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                output = (
                    process.stdout.read().decode() if process.stdout and process.poll() is not None else ""
                )
                raise RuntimeError(f"aimock did not start: {output[-1000:]}") from None
            time.sleep(0.05)
