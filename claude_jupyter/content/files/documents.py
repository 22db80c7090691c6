"""Files, bytes and URLs → attachments: by what they hold, not by what they are called.

Text here means text, source and notebooks (`notebooks.py`); CSV and Parquet become frames (`tables.py`). A label is the file's name,
never its folder.
"""

from __future__ import annotations

import base64
import binascii
import glob
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from claude_jupyter.content import texts
from claude_jupyter.content.fence import Redactor, fenced, text_attachment
from claude_jupyter.content.pdf import TOKENS_A_PAGE
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.tokens import tokens_of_text
from claude_jupyter.errors import AttachmentError
from claude_jupyter.models import facts
from claude_jupyter.turns import Attachment

MEGABYTE: Final = 1 << 20
LARGEST: Final = 32 * MEGABYTE
"""A request's limit (shared/ANTHROPIC_API.md section 8); what is larger is refused before it is read."""
FILES: Final = 20
IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tif", ".tiff"})
TABLES: Final = frozenset({".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow"})
URL_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
FETCHING: Final = frozenset({"bedrock", "vertex", "google_cloud"})
_SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):(?=//)|^(data|mailto|javascript|file):")
_IN_QUERY: Final = re.compile(r"\b(png|jpe?g|gif|webp|pdf)\b", re.IGNORECASE)
_PDF_TEXT: Final = re.compile(r"\s*(data:application/pdf;base64,|)JVBERi0[A-Za-z0-9+/]{16}")


def attach(path_or_url: str | Path, rules: Rules) -> tuple[Attachment, ...]:
    """What `-f`, a quoted name, a `Path` or `file()` points at.

    Raises
    ------
    AttachmentError
        In one line: what is wrong and what to do.
    """
    name = str(path_or_url)
    if isinstance(path_or_url, str) and (data := decoded(name)) is not None:
        return (from_bytes(data, "data", rules),)
    scheme = _SCHEME.match(name)
    if scheme and isinstance(path_or_url, str):
        return (from_url(name, rules),)
    try:
        path = Path(name).expanduser()
        several = glob.has_magic(name) and not path.exists()
    except (OSError, RuntimeError) as error:
        raise AttachmentError(f"{_shown(Path(name).name)} cannot be read: {error.args[-1]}") from None
    if several:
        return _glob(name, path, rules)
    return (from_path(path, rules),)


def _glob(name: str, pattern: Path, rules: Rules) -> tuple[Attachment, ...]:
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
    found = sorted(path for path in map(Path, names) if path.is_file())
    if not found:
        raise AttachmentError(f"no file matches {_shown(name)}")
    shown: list[Attachment] = []
    for path in found[:FILES]:
        same = sum(path.name == earlier.name for earlier in found[: found.index(path)])
        shown.append(from_path(path, rules, label=f"{path.name} ({same + 1})" if same else path.name))
    if len(found) > FILES:
        left_out = len(found) - FILES
        text = f"{len(found):,} files match {Path(name).name}; the first {FILES} by name are shown, {left_out:,} are not"
        shown.append(
            text_attachment(
                text, Path(name).name, "files", rules, sent=f"{left_out:,} files not shown", notes=(text,)
            )
        )
    return tuple(shown)


def from_path(path: Path, rules: Rules, *, label: str = "") -> Attachment:
    """One file as an attachment, labelled with its name."""
    from claude_jupyter.content import notebooks, tables

    size = _checked_size(path)
    suffix = path.suffix.lower()
    label = label or path.name
    try:
        if suffix in TABLES and size:
            return tables.attach(path, rules, label)
        if size > LARGEST:
            raise AttachmentError(
                f"{path.name} is {_megabytes(size)}; at most {_megabytes(LARGEST)} can be sent"
            )
        data = path.read_bytes()
    except OSError as error:
        raise AttachmentError(f"{path.name} cannot be read: {error.strerror or error}") from None
    if suffix == ".ipynb":
        return notebooks.attach(data, label, rules)
    return from_bytes(data, label, rules, suffix=suffix)


def _checked_size(path: Path) -> int:
    try:
        if path.is_dir():
            raise AttachmentError(
                f"{path.name or path} is a folder; name a file, or several with a glob like {path.name or '.'}/*"
            )
        if path.exists() and not path.is_file():
            raise AttachmentError(f"{path.name} is neither a file nor a folder")
        return path.stat().st_size
    except FileNotFoundError:
        raise AttachmentError(_missing(path)) from None
    except (OSError, ValueError) as error:
        raise AttachmentError(
            f"{_shown(path.name)} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _missing(path: Path) -> str:
    from difflib import get_close_matches

    parent = path.parent
    if not parent.is_dir():
        return f"no file {_shown(path.name)}: there is no folder {_shown(parent.name)}"
    try:
        names = [entry.name for entry, _ in zip(parent.iterdir(), range(5000), strict=False)]
    except OSError:
        names = []
    near = get_close_matches(path.name, names, 3, 0.5)
    return f"no file {_shown(path.name)} here" + (f"; near it: {', '.join(near)}" if near else "")


def from_bytes(data: bytes, label: str, rules: Rules, *, suffix: str = "") -> Attachment:
    """An image, a PDF, or text, told by the first bytes.

    Raises
    ------
    AttachmentError
        For an image or PDF that cannot be sent.
    """
    from claude_jupyter.content import images, pdf

    kind = media_type(data)
    if kind == "application/pdf":
        return pdf.attach(data, label, rules)
    if kind == "image/svg+xml":
        return images.from_svg(texts.decode(data)[0], label, rules)
    if kind is not None or suffix in IMAGE_SUFFIXES:
        return images.from_bytes(data, label, rules, media_type=kind)
    if not data:
        return text_attachment(
            "(an empty file)" if suffix else "(no bytes)", label, "text", rules, sent="empty"
        )
    text, encoding = texts.decode(data)
    if encoding is None and suffix:
        raise AttachmentError(
            f"{label} is no image, PDF, text or table; load it in Python and show what you get"
        )
    if encoding is None:
        return _binary(data, label, rules)
    return texts.text_file(text, label, rules, encoding=encoding, suffix=suffix)


def _binary(data: bytes, label: str, rules: Rules) -> Attachment:
    text = f"{len(data):,} bytes that are no image, PDF or text; they begin {data[:16].hex(' ')}"
    return text_attachment(text, label, "bytes", rules, sent=f"{len(data):,} bytes, not shown")


def media_type(data: bytes) -> str | None:
    """The media type of an image or PDF by its first bytes; None for anything else."""
    from claude_jupyter.content.media import sniff

    if data[:2] == b"BM" and data[6:10] != b"\0\0\0\0":
        return None  # a text that begins with BM
    start = data[:1024].find(b"%PDF-")
    return "application/pdf" if start == 0 or (start > 0 and data[:start].isspace()) else sniff(data)


def decoded(text: str) -> bytes | None:
    """The bytes of a base64 or `data:` string that holds an image or PDF; None for any other text."""
    from claude_jupyter.content.media import decode

    pdf = _PDF_TEXT.match(text[:200])
    if pdf is None:
        return decode(text)
    try:
        return base64.b64decode("".join(text[pdf.end(1) :].split()), validate=True)
    except (ValueError, binascii.Error):
        return None


def from_url(url: str, rules: Rules, *, label: str = "", kind: str = "") -> Attachment:
    """An image or PDF behind an http(s) URL, left to the service to fetch; fetched here only where the provider needs the bytes.

    Raises
    ------
    AttachmentError
        For another scheme, or a URL that names neither an image nor a PDF, unless `kind` says which it is.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AttachmentError(f"{_shown(url)}: only http and https URLs can be shown")
    name = unquote(parts.path.rsplit("/", 1)[-1]) or parts.hostname
    label = label or name
    suffix = Path(name).suffix.lower()
    if suffix not in URL_IMAGES and suffix != ".pdf" and (said := _IN_QUERY.search(parts.query)):
        suffix = f".{said[1].lower()}"
    if rules.provider in FETCHING:
        return _fetched(url, label, rules)
    if suffix == ".pdf" or kind == "document":
        return _by_url(url, label, "document", rules)
    if suffix in URL_IMAGES or kind == "image":
        return _by_url(url, label, "image", rules)
    raise AttachmentError(
        f"{_shown(name)}: a URL must end in {', '.join(sorted(URL_IMAGES))} or .pdf; download other things and name the file"
    )


def _by_url(url: str, label: str, kind: Any, rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    what = "An image" if kind == "image" else "A document"
    words = fenced(f"{what} by its URL: it follows here.", redactor(label), kind)
    most = facts(rules.model).image_tokens if kind == "image" else TOKENS_A_PAGE
    return Attachment(
        label=label,
        kind=kind,
        blocks=(
            {"type": "text", "text": redactor(words)},
            {"type": kind, "source": {"type": "url", "url": url}},
        ),
        sent="by URL, fetched by the service",
        tokens=tokens_of_text(words) + most,
        notes=("tokens are a guess, its size is not known here", *redactor.notes),
    )


def _fetched(url: str, label: str, rules: Rules) -> Attachment:
    """For providers that take no URL sources (Bedrock, Google Cloud): the bytes, at most 32 MB within 20 s."""
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "claude-jupyter"})
    try:
        with urlopen(request, timeout=20) as response:
            data = response.read(LARGEST + 1)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise AttachmentError(
            f"{label} could not be fetched ({rules.provider} takes no URLs): {reason}"
        ) from None
    if len(data) > LARGEST:
        raise AttachmentError(f"{label} is larger than {_megabytes(LARGEST)}, the most that can be sent")
    if media_type(data) is None:
        raise AttachmentError(f"{label} is neither an image nor a PDF; download it and name the file")
    return from_bytes(data, label, rules)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE / 1024:,.1f} GB" if size >= 1024 * MEGABYTE else f"{size / MEGABYTE:,.1f} MB"


def _shown(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= 80 else name[:79] + "…"
