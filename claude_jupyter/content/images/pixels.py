"""Pixels → what is sent: size, orientation, colors, file format and thumbnail. Pillow in, bytes out; no labels, no blocks."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from claude_jupyter.content.images import sizes
from claude_jupyter.content.rules import Rules

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

PNG_LEVEL: Final = 4
"""A third faster than zlib's usual 6, for drawings a few per cent longer; tokens do not depend on it."""

THUMBNAIL: Final = 3072
"""Longest thumbnail, as a `data:` URL."""

_PHOTO_FORMATS: Final = ("JPEG", "MPO", "HEIF", "AVIF")


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels in the size and mode they are sent in.

    Attributes
    ----------
    photo
        Whether it is encoded as a photograph (JPEG) or a drawing (PNG).
    keep
        Whether the pixels are a JPEG's own, untouched, so that its quantization can be kept too.
    """

    image: Image
    photo: bool
    keep: bool = False


def prepare(image: Image, rules: Rules, *, ours: bool) -> Picture:
    """Bring a picture into the form in which it is sent.

    Parameters
    ----------
    ours
        Whether nobody else holds `image`, so that its state may change (a JPEG then decodes at a fraction of its size).
    """
    from PIL import Image

    source, turn = image.format, _turn(image)
    size = sizes.fit_model(*image.size, rules.model, rules.images_before + 1)
    resized = size != image.size
    if resized and ours and source == "JPEG":
        image.draft(None, size)
    picture = _eight_bit(image)
    if resized:
        picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    else:
        image.load()  # a truncated picture must be found out here
    picture = flat(picture)
    if turn is not None:
        picture = picture.transpose(turn)
    keep = ours and picture is image and source == "JPEG"
    if picture is image and not ours:
        picture = image.copy()
    photo = source in _PHOTO_FORMATS or _is_photo(picture)
    picture.info.clear()
    return Picture(picture, photo, keep)


def _turn(image: Image) -> Transpose | None:
    from PIL.Image import Transpose

    turns = (
        None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90,
    )  # fmt: skip
    try:
        orientation = image.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, OSError, KeyError):
        return None  # damaged metadata says nothing
    return turns[orientation - 1] if orientation in range(1, 9) else None


def _eight_bit(image: Image) -> Image:
    """One of the modes L, LA, RGB, RGBA, CMYK: those that can be resized well."""
    mode = image.mode
    if mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        if "transparency" in image.info and mode in ("L", "RGB"):
            return image.convert("RGBA")
        return image
    if mode in ("P", "PA"):
        palette = image.palette.mode if image.palette is not None else ""
        clear = mode == "PA" or palette == "RGBA" or "transparency" in image.info
        return image.convert("RGBA" if clear else "RGB")
    if mode == "1":
        return image.convert("L")
    if mode == "F" or mode.startswith("I"):
        return _scaled(image)
    if mode in ("La", "RGBa"):
        return image.convert("LA" if mode == "La" else "RGBA")
    return image.convert("RGB")


def _scaled(image: Image) -> Image:
    """More than 8 bits a pixel: 16 bits as every viewer shows them; where the range is unknown or hardly used, stretched."""
    deep = image.convert("F")
    low, high = cast("tuple[float, float]", deep.getextrema())
    if image.mode.startswith("I;16") and high >= 8192:
        low, high = 0.0, 65535.0
    elif not (low < high < float("inf")):
        low, high = 0.0, 255.0
    factor = 255.0 / (high - low)
    stretched: Any = deep.point(lambda value: value * factor - low * factor)  # pyright: ignore[reportUnknownLambdaType]
    return stretched.convert("L")


def flat(image: Image) -> Image:
    """On white, in L or RGB and in the sRGB colors that a picture without a profile is shown in."""
    from PIL import Image as images

    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        if alpha.getextrema() != (255, 255):
            white = images.new("RGB", image.size, "white")
            white.paste(image.convert("RGB"), mask=alpha)
            return white
        return image.convert("L" if image.mode == "LA" else "RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK") and b"sRGB" not in profile:
        return _to_srgb(image, profile)
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _to_srgb(image: Image, profile: bytes) -> Image:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        converted = None  # a damaged profile: the numbers as they are
    return converted or image.convert("RGB")


def _is_photo(image: Image) -> bool:
    """Whether a sample has the many colors of a photograph and no background of a drawing."""
    from PIL import Image as images

    sample = image.resize((64, 64), images.Resampling.NEAREST)
    colors = sample.getcolors(4096) or []
    most = max(count for count, _ in colors)
    gray = image.mode == "L" or all(isinstance(color, tuple) and len(set(color)) == 1 for _, color in colors)
    return most < 400 and len(colors) > (100 if gray else 1200)


def encode(picture: Picture, limit: int) -> tuple[bytes, str]:
    """The file that is sent, its base64 at most `limit` long: PNG for drawings, JPEG for photographs and what PNG cannot hold."""
    most = limit // 4 * 3
    image = picture.image
    if not picture.photo:
        data = _saved(image, "PNG", compress_level=PNG_LEVEL)
        if len(data) <= min(most, 3_000_000):
            return data, "image/png"
    for quality in ("keep" if picture.keep else 88, 80, 65, 45, 25):
        data = _saved(image, "JPEG", quality=quality)
        if len(data) <= most:
            break
    return data, "image/jpeg"  # pyright: ignore[reportPossiblyUnboundVariable]


def _saved(image: Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def thumbnail(image: Image) -> str:
    """A `data:` URL of at most 3 KB."""
    from PIL import Image as images
    from PIL import features

    form = "WEBP" if features.check("webp") else "JPEG"
    for side, quality in ((240, 60), (160, 50), (112, 40), (72, 30), (32, 20)):
        scale = min(1.0, side / max(image.size))
        width, height = (max(1, round(length * scale)) for length in image.size)
        small = image.resize((width, height), images.Resampling.BILINEAR, reducing_gap=1.5)
        data = base64.b64encode(_saved(small, form, quality=quality)).decode("ascii")
        url = f"data:image/{form.lower()};base64,{data}"
        if len(url) <= THUMBNAIL:
            return url
    return url  # pyright: ignore[reportPossiblyUnboundVariable]
