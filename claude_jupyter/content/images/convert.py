"""Prepares images to be sent: turned upright, on white, without metadata, and no larger than the API would leave them.

Takes bytes, PIL images, arrays and SVG. Charts of plotting libraries are drawn in `content/figures/render.py`; the
dispatcher decides which value is an image. Every picture is decoded and encoded anew, so that nothing but its
pixels leaves, and the same picture always gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter import providers
from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.content.guard import all_reasons
from claude_jupyter.content.images import pixels, sizes
from claude_jupyter.content.images.media_types import sniff
from claude_jupyter.content.images.png import without_damaged_metadata
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import fenced
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.errors import AttachmentError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 200_000_000
"""Beyond this a picture is refused before it is decoded: 800 MB of memory, and more than any camera takes."""

_PIL_FORMATS: Final = {
    "image/png": ("PNG",),
    "image/jpeg": ("JPEG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/bmp": ("BMP",),
    "image/tiff": ("TIFF",),
    "image/avif": ("AVIF",),
    "image/heic": ("HEIF",),
}


def from_bytes(data: bytes, label: str, rules: Rules, *, media_type: str | None = None) -> Attachment:
    """An image file's bytes as it is sent.

    Parameters
    ----------
    media_type
        What the file says it is; only for the error's words: the bytes decide.

    Raises
    ------
    AttachmentError
        For a truncated, absurdly large or unknown picture.
    MissingExtraError
        For SVG if nothing that draws it is installed.
    """
    kind = sniff(data)
    if kind == "image/svg+xml":
        return from_svg(data.decode("utf-8", "replace"), label, rules)
    if kind is None:
        claim = f", though it says {media_type}" if media_type else ""
        raise AttachmentError(f"{label} is not an image that can be read{claim}.")
    return _from_pil(_open(data, kind, label), label, rules, ours=True)


def _open(data: bytes, kind: str, label: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Our own limit (MAX_PIXELS) is checked in `from_pil`, before anything is decoded.
            warnings.simplefilter("ignore")
            try:
                return Image.open(io.BytesIO(data), formats=_PIL_FORMATS[kind])
            except UnidentifiedImageError:
                sound = without_damaged_metadata(data)
                return Image.open(io.BytesIO(sound), formats=_PIL_FORMATS[kind])
    except Image.DecompressionBombError:
        raise AttachmentError(f"{label} is too large: over {MAX_PIXELS // 10**6} million pixels.") from None
    except KeyError:
        raise AttachmentError(
            f"{label} is {kind[6:].upper()}, which cannot be read here; save it as PNG or JPEG."
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise AttachmentError(
            f"{label} is damaged: it starts like {kind[6:].upper()} but cannot be read."
        ) from None


def from_pil(image: Image, label: str, rules: Rules) -> Attachment:
    """A PIL image as it is sent; of an animated one the frame it is at. The image itself stays as it is."""
    return _from_pil(image, label, rules, ours=False)


def _from_pil(image: Image, label: str, rules: Rules, *, ours: bool) -> Attachment:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise AttachmentError(
            f"{label} is too large: {width:,} × {height:,} pixels; at most {MAX_PIXELS // 10**6} million are read."
        )
    if not width or not height:
        raise AttachmentError(f"{label} is an empty image: {width} × {height} pixels.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which is dropped
            picture = pixels.prepare(image, rules, ours=ours)
    except MemoryError:
        raise AttachmentError(f"{label} is too large for this machine's memory.") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError) as error:
        raise AttachmentError(f"{label} is damaged: {_first_line(error)}") from None
    return _attach(picture, label, rules)


def from_array(array: Any, label: str, rules: Rules) -> Attachment:
    """A uint8 array shaped (height, width, 3 or 4) as an image (`is_image_array`)."""
    from PIL import Image

    if not is_image_array(array):
        raise AttachmentError(
            f"{label} is not an image: an image is a uint8 array of shape (height, width, 3 or 4)."
        )
    return _from_pil(Image.fromarray(array), label, rules, ours=False)


def is_image_array(value: Any) -> bool:
    """Whether a NumPy array is one that is sent as an image."""
    return str(value.dtype) == "uint8" and value.ndim == 3 and value.shape[2] in (3, 4) and value.size > 0


def from_svg(text: str, label: str, rules: Rules) -> Attachment:
    """An SVG drawn on white, with nothing fetched from network or disk (`svg.py`)."""
    from claude_jupyter.content.images import svg

    return from_bytes(svg.draw(text, label, rules), label, rules)


def shrink(attachment: Attachment, limit: int = sizes.MANY_SIDE) -> Attachment:
    """The same attachment with its pictures' sides at most `limit` px: for requests that turn out to hold over 20 images.

    What fits (or is a picture by its address) comes back as it is, byte for byte.
    """
    blocks: list[Block] = []
    size, saved = attachment.size, 0
    for block in attachment.blocks:
        small = _shrunk(block, limit) if block["type"] == "image" else None
        blocks.append(block if small is None else small[0])
        if small is not None:
            saved += sizes.tokens(*small[1]) - sizes.tokens(*small[2])
            size = small[2]
    if not saved:
        return attachment
    alone = attachment.kind == "image" and size is not None
    return replace(
        attachment,
        blocks=tuple(blocks),
        tokens=attachment.tokens - saved,
        size=size if alone else attachment.size,
        sent=_sent(size) if alone and size is not None else attachment.sent,
    )


def _shrunk(block: Block, limit: int) -> tuple[Block, tuple[int, int], tuple[int, int]] | None:
    """The smaller block, and its sizes before and after; None if it fits already."""
    from PIL import Image

    source = block["source"]
    if source["type"] != "base64":
        return None
    image = Image.open(io.BytesIO(base64.b64decode(source["data"])))
    before = image.size
    if max(before) <= limit:
        return None
    photo = image.format == "JPEG"
    after = sizes.fit(*before, sizes.SIDE * 2, sizes.SIDE * sizes.SIDE, limit)
    image = image.resize(after, Image.Resampling.LANCZOS)
    image.info.clear()
    data, media_type = pixels.encode(pixels.Picture(image, photo), providers.SMALLEST_IMAGE_BYTES)
    return {**block, **_image_block(data, media_type)}, before, after


def _attach(picture: pixels.Picture, label: str, rules: Rules, about: str = "") -> Attachment:
    data, media_type = pixels.encode(picture, providers.named(rules.provider).image_bytes)
    size = picture.image.size
    words = _label(label, rules, about)
    return Attachment(
        label=label,
        kind="image",
        blocks=(words, _image_block(data, media_type)),
        sent=_sent(size),
        tokens=sizes.tokens(*size) + tokens_of_text(words["text"]),
        size=size,
        thumbnail=pixels.thumbnail(picture.image) if rules.thumbnails else None,
    )


def from_pixels(image: Image, label: str, rules: Rules, about: str = "") -> Attachment:
    """A drawing of our own in L, RGB or RGBA, already in the size to send (`content/figures/render.py`), with a word on what it is."""
    return _attach(pixels.Picture(pixels.flat(image), False), label, rules, about)


def _label(label: str, rules: Rules, about: str = "") -> Block:
    text = f"{about or 'A picture'}: it follows here."
    return {"type": "text", "text": fenced(text, rules.redact(label)[0], "image")}


def _image_block(data: bytes, media_type: str) -> Block:
    text = base64.b64encode(data).decode("ascii")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": text}}


def _sent(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,}"


def _first_line(error: BaseException) -> str:
    text = all_reasons(error)
    return (text[:1].lower() + text[1:]).rstrip(".") + "."
