"""Files that the asking cell itself holds (`-f attachment:NAME`): the page hands them over just before it runs the cell."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

_files: dict[str, bytes] = {}


def take(files: Any) -> None:
    """From now on there are these: `{name: base64}`; what is malformed is skipped."""
    _files.clear()
    for name, data in files.items() if isinstance(files, Mapping) else ():
        try:
            _files[str(name)] = base64.b64decode(data, validate=True)
        except (binascii.Error, TypeError, ValueError):
            continue


def find(name: str) -> bytes | None:
    """What the cell holds by that name; None if no page has handed it over."""
    return _files.get(name)
