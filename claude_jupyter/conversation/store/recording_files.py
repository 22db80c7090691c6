"""Answers kept in a folder by the hash of their request and replayed for $0, so that notebooks run in CI without a key.

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

from claude_jupyter.encodable import encodable_all
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
            If the recording is truncated, edited, or from a newer version.
        """
        key = request_hash(params)
        path = self.folder / f"{key}.json"
        try:
            data = encodable_all(json.loads(path.read_text(encoding="utf-8", errors="surrogatepass")))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReplayError(f"The recording {path.name} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError):
            raise ReplayError(f"The recording {path.name} is incomplete. Delete it to ask again.") from None
        if (
            not isinstance(data, dict)
            or data.get("format") != FORMAT
            or not isinstance(data.get("message"), dict)
        ):
            raise ReplayError(f"{path.name} is not a recording. Delete it to ask again.")
        if data.get("version") != VERSION:
            raise ReplayError(
                f"The recording {path.name} is from a newer claude-jupyter: pip install -U claude-jupyter."
            )
        if data.get("hash") != key:
            raise ReplayError(
                f"The recording {path.name} does not match its request (was it renamed?). Delete it."
            )
        return data["message"]

    def keep(self, params: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        """Keep an answer.

        Raises
        ------
        ReplayError
            If it cannot be written.
        """
        key = request_hash(params)
        data = {"format": FORMAT, "version": VERSION, "hash": key, "message": dict(message)}
        text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{key}.json", f"{text}\n")
        except OSError as error:
            raise ReplayError(
                f"The recording cannot be saved in {self.folder.name}: {error.strerror}."
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
                pixels = image.convert("RGBA")
                raw = f"{pixels.size}".encode() + pixels.tobytes()
        except (UnidentifiedImageError, OSError, ValueError):
            pass  # not readable here: its bytes stand for it
    return hashlib.sha256(raw).hexdigest()[:_SHORTENED]
