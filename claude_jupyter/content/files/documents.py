"""Files, bytes and URLs → attachments: by what they hold, not by what they are called.

Text here means text, source and notebooks (`notebooks.py`); CSV and Parquet become frames (`table_files.py`). A label is the file's name,
never its folder.
"""

from __future__ import annotations

import base64
import binascii
import glob
import re
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.files import fetch, in_cell, text_files
from claude_jupyter.content.files.citations import TITLE
from claude_jupyter.content.files.pdf import TOKENS_A_PAGE
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, fenced, text_attachment
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.errors import AttachmentError
from claude_jupyter.providers import named

MEGABYTE: Final = 1 << 20
LARGEST: Final = 32 * MEGABYTE
"""The limit of a request (platform.claude.com/docs/en/api/errors); a larger file is refused before it is read."""
FILES: Final = 100
IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tif", ".tiff"})
TABLES: Final = frozenset({".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow"})
IN_CELL: Final = "attachment:"
"""Before the name of a file that the cell itself holds, as in Markdown cells."""
URL_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
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
    if isinstance(path_or_url, str) and name.startswith(IN_CELL):
        return (_from_cell(name.removeprefix(IN_CELL), rules),)
    if isinstance(path_or_url, str) and (data := decoded(name)) is not None:
        return (from_bytes(data, "data", rules),)
    scheme = _SCHEME.match(name)
    if scheme and isinstance(path_or_url, str):
        return (from_url(name, rules, explicit=True),)
    try:
        path = Path(name).expanduser()
        several = glob.has_magic(name) and not path.exists()
    except (OSError, RuntimeError) as error:
        raise AttachmentError(f"{_readable(Path(name).name)} cannot be read: {error.args[-1]}") from None
    if several:
        return _glob(name, path, rules)
    return (from_path(path, rules),)


def _from_cell(name: str, rules: Rules) -> Attachment:
    """A file that was pasted or dropped on the cell that asks."""
    data = in_cell.find(name)
    if data is None:
        raise AttachmentError(
            f"{_readable(name)} is not in this cell, or the frontend cannot send it: JupyterLab with the claude-jupyter extension can. "
            "Save it as a file and use its path"
        )
    with tempfile.TemporaryDirectory(prefix="claude-jupyter-") as folder:
        path = Path(folder, Path(name).name or "file")
        path.write_bytes(data)
        return from_path(path, rules)


def _glob(name: str, pattern: Path, rules: Rules) -> tuple[Attachment, ...]:
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
    paths = sorted(path for path in map(Path, names) if path.is_file())
    if not paths:
        raise AttachmentError(f"no file matches {_readable(name)}")
    attachments: list[Attachment] = []
    for path in paths[:FILES]:
        same = sum(path.name == earlier.name for earlier in paths[: paths.index(path)])
        attachments.append(from_path(path, rules, label=f"{path.name} ({same + 1})" if same else path.name))
    if len(paths) > FILES:
        left_out = len(paths) - FILES
        text = f"{len(paths):,} files match {Path(name).name}; the first {FILES} by name are shown, {left_out:,} are not"
        attachments.append(
            text_attachment(
                text, Path(name).name, "files", rules, sent=f"{left_out:,} files not shown", notes=(text,)
            )
        )
    return tuple(attachments)


def from_path(path: Path, rules: Rules, *, label: str = "") -> Attachment:
    """One file as an attachment, labeled with its name."""
    from claude_jupyter.content.files import notebooks, table_files

    size = _checked_size(path)
    suffix = path.suffix.lower()
    label = " ".join((label or path.name).splitlines())  # a name may hold several lines
    try:
        if suffix in TABLES and size:
            return table_files.attach(path, rules, label)
        if size > LARGEST:
            raise AttachmentError(
                f"{path.name} is {_megabytes(size)}; at most {_megabytes(LARGEST)} can be sent"
            )
        data = path.read_bytes()
    except OSError as error:
        raise AttachmentError(f"{path.name} cannot be read: {error.strerror or error}") from None
    if suffix == ".ipynb":
        return notebooks.attach(data, label, rules)
    return from_bytes(data, label, rules, suffix=suffix, document=suffix in text_files.DOCUMENTS)


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
            f"{_readable(path.name)} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _missing(path: Path) -> str:
    from difflib import get_close_matches

    parent = path.parent
    if not parent.is_dir():
        return f"no file {_readable(path.name)}: there is no folder {_readable(parent.name)}"
    try:
        names = [entry.name for entry, _ in zip(parent.iterdir(), range(5000), strict=False)]
    except OSError:
        names = []
    near = get_close_matches(path.name, names, 3, 0.5)
    return f"no file {_readable(path.name)} here" + (f"; near it: {', '.join(near)}" if near else "")


def from_bytes(
    data: bytes, label: str, rules: Rules, *, suffix: str = "", document: bool = False
) -> Attachment:
    """An image, a PDF, or text, determined by the first bytes.

    Raises
    ------
    AttachmentError
        For an image or PDF that cannot be sent.
    """
    from claude_jupyter.content.files import pdf
    from claude_jupyter.content.images import convert

    kind = media_type(data)
    if kind == "application/pdf":
        return pdf.attach(data, label, rules)
    if kind == "image/svg+xml":
        return convert.from_svg(text_files.decode(data)[0], label, rules)
    if kind is not None or suffix in IMAGE_SUFFIXES:
        return convert.from_bytes(data, label, rules, media_type=kind)
    if not data:
        return text_attachment(
            "(an empty file)" if suffix else "(no bytes)", label, "text", rules, sent="empty"
        )
    text, encoding = text_files.decode(data)
    if encoding is None and suffix:
        raise AttachmentError(
            f"{label} is not an image, PDF, text or table; load it in Python and attach the result"
        )
    if encoding is None:
        return _binary(data, label, rules)
    return text_files.text_file(text, label, rules, encoding=encoding, suffix=suffix, document=document)


def _binary(data: bytes, label: str, rules: Rules) -> Attachment:
    text = f"{len(data):,} bytes that are not an image, PDF or text; they begin with {data[:16].hex(' ')}"
    return text_attachment(text, label, "bytes", rules, sent=f"{len(data):,} bytes, not shown")


def media_type(data: bytes) -> str | None:
    """The media type of an image or PDF by its first bytes; None for anything else."""
    from claude_jupyter.content.images.media_types import sniff

    if data[:2] == b"BM" and data[6:10] != b"\0\0\0\0":
        return None  # a text that begins with BM
    start = data[:1024].find(b"%PDF-")
    return "application/pdf" if start == 0 or (start > 0 and data[:start].isspace()) else sniff(data)


def decoded(text: str) -> bytes | None:
    """The bytes of a base64 or `data:` string that holds an image or PDF; None for any other text."""
    from claude_jupyter.content.images.media_types import decode

    pdf = _PDF_TEXT.match(text[:200])
    if pdf is None:
        return decode(text)
    try:
        return base64.b64decode("".join(text[pdf.end(1) :].split()), validate=True)
    except (ValueError, binascii.Error):
        return None


def from_url(
    url: str, rules: Rules, *, label: str = "", kind: str = "", explicit: bool = False
) -> Attachment:
    """An image or PDF behind an http(s) URL, left to the service to fetch.

    It is fetched here only where the provider needs the bytes, or where the user wrote an address that only this machine can reach.

    Parameters
    ----------
    explicit
        Whether the user wrote this URL on the magic's line, through `-f` or `file()`.

    Raises
    ------
    AttachmentError
        For another scheme, or a URL that names neither an image nor a PDF, unless `kind` says which it is.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AttachmentError(f"{_readable(url)}: only http and https URLs can be attached")
    name = unquote(parts.path.rsplit("/", 1)[-1]) or parts.hostname
    label = label or name
    suffix = Path(name).suffix.lower()
    if suffix not in URL_IMAGES and suffix != ".pdf" and (secret_parameter := _IN_QUERY.search(parts.query)):
        suffix = f".{secret_parameter[1].lower()}"
    here = fetch.is_private(url)
    if here and not explicit:
        raise AttachmentError(
            f"{_readable(url)} is an address on this machine or its network; load it in Python and attach the result"
        )
    if here or not named(rules.provider).urls:
        return _fetched(url, label, rules, explicit=explicit)
    if suffix == ".pdf" or kind == "document":
        return _by_url(url, label, "document", rules)
    if suffix in URL_IMAGES or kind == "image":
        return _by_url(url, label, "image", rules)
    raise AttachmentError(
        f"{_readable(name)}: a URL must end in {', '.join(sorted(URL_IMAGES))} or .pdf; for anything else, download it and name the file"
    )


def _by_url(url: str, label: str, kind: Any, rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    what = "An image" if kind == "image" else "A document"
    words = fenced(f"{what} by its URL: it follows here.", redactor(label), kind)
    most = rules.model.image_tokens if kind == "image" else TOKENS_A_PAGE
    title = {"title": redactor(label)[:TITLE]} if kind == "document" else {}
    return Attachment(
        label=label,
        kind=kind,
        blocks=(
            {"type": "text", "text": redactor(words)},
            {"type": kind, "source": {"type": "url", "url": url}, **title},
        ),
        sent="by URL, fetched by the service",
        tokens=tokens_of_text(words) + most,
        notes=("tokens are a guess: the size is not known here", *redactor.notes),
    )


def _fetched(url: str, label: str, rules: Rules, *, explicit: bool) -> Attachment:
    """The bytes, at most 32 MB within 20 s."""
    try:
        data = fetch.fetch(url, LARGEST + 1, explicit=explicit)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise AttachmentError(f"{label} could not be fetched: {reason}") from None
    if len(data) > LARGEST:
        raise AttachmentError(f"{label} is larger than {_megabytes(LARGEST)}, the most that can be sent")
    if media_type(data) is None:
        raise AttachmentError(f"{label} is neither an image nor a PDF; download it and name the file")
    return from_bytes(data, label, rules)


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE / 1024:,.1f} GB" if size >= 1024 * MEGABYTE else f"{size / MEGABYTE:,.1f} MB"


def _readable(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= 80 else name[:79] + "…"
