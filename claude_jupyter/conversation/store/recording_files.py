"""Answers kept in a folder by the hash of their request, and given again for $0: notebooks that run in CI without a key.

One JSON file a request, fit for git: the answer and the hash, never what was sent. The hash is the same on every machine for equal
inputs: cache marks do not enter, and pictures enter by their pixels, because encoders differ between library versions.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from claude_jupyter.errors import ReplayError
from claude_jupyter.files import write_whole

FORMAT: Final = "claude-jupyter recording"
VERSION: Final = 1

_SHORTENED: Final = 32


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of one folder.

    Attributes
    ----------
    folder
        Where they are; made when the first is kept.
    """

    folder: Path

    def find(self, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The recorded answer (a message in the service's own names) to this request, or None.

        Raises
        ------
        ReplayError
            For a recording that is cut, edited, or of a newer version.
        """
        key = request_hash(params)
        path = self.folder / f"{key}.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReplayError(f"The recording {path.name} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError):
            raise ReplayError(
                f"The recording {path.name} is not whole. Delete it, and it is asked again."
            ) from None
        if (
            not isinstance(data, dict)
            or data.get("format") != FORMAT
            or not isinstance(data.get("message"), dict)
        ):
            raise ReplayError(f"{path.name} is no recording. Delete it, and it is asked again.")
        if data.get("version") != VERSION:
            raise ReplayError(
                f"The recording {path.name} is of a newer claude-jupyter: pip install -U claude-jupyter."
            )
        if data.get("hash") != key:
            raise ReplayError(f"The recording {path.name} does not fit its request (renamed?). Delete it.")
        return data["message"]

    def keep(self, params: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        """Keep an answer.

        Raises
        ------
        ReplayError
            Where it cannot be written.
        """
        key = request_hash(params)
        data = {"format": FORMAT, "version": VERSION, "hash": key, "message": dict(message)}
        text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{key}.json", f"{text}\n")
        except OSError as error:
            raise ReplayError(
                f"The recording cannot be kept in {self.folder.name}: {error.strerror}."
            ) from None


def request_hash(params: Mapping[str, Any]) -> str:
    """The hash of a request: equal for equal inputs, on every machine."""
    text = json.dumps(_plain(params), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_SHORTENED]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("type") == "base64" and isinstance(value.get("data"), str):
            return {"type": "base64", "pixels": _pixels(value["data"], str(value.get("media_type")))}
        return {str(k): _plain(v) for k, v in value.items() if k != "cache_control"}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _pixels(data: str, media_type: str) -> str:
    raw = base64.b64decode(data)
    if media_type.startswith("image/"):
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(raw)) as image:
                shown = image.convert("RGBA")
                raw = f"{shown.size}".encode() + shown.tobytes()
        except (UnidentifiedImageError, OSError, ValueError):
            pass  # not readable here: its bytes stand for it
    return hashlib.sha256(raw).hexdigest()[:_SHORTENED]
