"""Pictures of every kind arrive upright, on white, without metadata, in the API's own sizes, or are refused in one line."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import IPython.display as ipd
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures import displayed
from claude_jupyter.content.images import convert, request_limits, svg
from claude_jupyter.content.images.media_types import decode
from claude_jupyter.content.images.png import without_damaged_metadata
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, ContentTooLargeError, MissingExtraError
from claude_jupyter.models import facts

RULES = Rules()


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def sent(attachment: Attachment) -> Image.Image:
    """The picture as it leaves, decoded."""
    source = attachment.blocks[1]["source"]
    image = Image.open(io.BytesIO(base64.b64decode(source["data"])))
    assert f"image/{image.format.lower()}" == source["media_type"]  # type: ignore[union-attr]
    assert attachment.size == image.size
    image.load()
    return image


def photo(width: int, height: int) -> Image.Image:
    pixels = random.Random(0).randbytes(60 * 45 * 3)
    return Image.frombytes("RGB", (60, 45), pixels).resize((width, height), Image.Resampling.BICUBIC)


def drawing(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).line([(0, 0), (width, height)], "blue", 3)
    return image


def test_an_attachment_has_a_label_before_the_picture_its_tokens_size_and_a_thumbnail() -> None:
    made = convert.from_pil(drawing(1600, 1000), 'figs["a"]', RULES)
    assert [b["type"] for b in made.blocks] == ["text", "image"]
    assert made.blocks[0]["text"].startswith('<attachment label=\'figs["a"]\' kind="image">')
    assert (made.kind, made.size, made.sent) == ("image", (1600, 1000), "1,600 × 1,000")
    assert made.tokens == pytest.approx(58 * 36, abs=40)
    assert (
        made.thumbnail is not None
        and made.thumbnail.startswith("data:image/")
        and len(made.thumbnail) <= 3072
    )
    assert convert.from_pil(drawing(10, 10), "x", Rules(thumbnails=False)).thumbnail is None


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_every_common_format_is_read_and_always_gives_the_same_bytes(form: str) -> None:
    data = saved(photo(500, 400), form)
    assert convert.sniff(data) == f"image/{form.lower()}"
    made = convert.from_bytes(data, "photo", RULES)
    assert sent(made).size == (500, 400)
    assert convert.from_bytes(data, "photo", RULES) == made


def test_photographs_become_jpeg_and_drawings_png() -> None:
    assert sent(convert.from_pil(photo(900, 700), "x", RULES)).format == "JPEG"
    assert sent(convert.from_pil(drawing(900, 700), "x", RULES)).format == "PNG"
    assert sent(convert.from_bytes(saved(photo(300, 200).convert("L"), "PNG"), "x", RULES)).format == "JPEG"
    assert sent(convert.from_bytes(saved(drawing(300, 200), "JPEG"), "x", RULES)).format == "JPEG"


def test_a_photograph_in_black_and_white_is_a_photograph_whatever_its_mode() -> None:
    gray = photo(800, 600).convert("L")
    for image in (gray, gray.convert("RGB")):
        assert convert.from_pil(image, "gray", RULES).blocks[1]["source"]["media_type"] == "image/jpeg"
    plot = drawing(800, 600).convert("L").convert("RGB")
    assert convert.from_pil(plot, "plot", RULES).blocks[1]["source"]["media_type"] == "image/png"


def test_a_drawing_keeps_its_pixels() -> None:
    image = drawing(640, 480)
    assert sent(convert.from_bytes(saved(image, "PNG"), "x", RULES)).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("model", "size"), [("claude-sonnet-5-5", (2212, 1659)), ("claude-haiku-4-5", (1270, 952))]
)
def test_a_large_photo_comes_in_the_size_that_the_model_leaves_as_it_is(
    model: str, size: tuple[int, int]
) -> None:
    made = convert.from_bytes(saved(photo(4000, 3000), "JPEG"), "photo", Rules(model=facts(model)))
    assert sent(made).size == size


def test_nothing_is_enlarged() -> None:
    assert sent(convert.from_pil(drawing(3, 2), "x", RULES)).size == (3, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 40), (6000, 4000)])
def test_photos_are_turned_upright_and_metadata_is_dropped(orientation: int, size: tuple[int, int]) -> None:
    upright = Image.new("RGB", size, "white")
    upright.paste("red", (0, 0, size[0] // 2, size[1] // 2))  # red in the upper left corner
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "SecretCamera"
    data = saved(stored, "JPEG", exif=exif, comment=b"SecretComment", dpi=(301, 301))
    made = convert.from_bytes(data, "photo", RULES)
    image = sent(made)
    assert image.width > image.height
    assert image.getpixel((image.width // 8, image.height // 8))[1] < 60  # type: ignore[index]
    assert image.getpixel((image.width * 7 // 8, image.height * 7 // 8))[1] > 200  # type: ignore[index]
    assert b"Secret" not in base64.b64decode(made.blocks[1]["source"]["data"])


def test_text_in_a_png_does_not_leave() -> None:
    info = PngInfo()
    info.add_text("Software", "SecretSoftware")
    data = saved(drawing(50, 50), "PNG", pnginfo=info) + b"SecretTrailer"
    made = convert.from_bytes(data, "x", RULES)
    assert b"Secret" not in base64.b64decode(made.blocks[1]["source"]["data"])


def test_transparency_stands_on_white() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 10, 20))
    palette = clear.quantize(8)
    gray = Image.new("LA", (20, 20), (0, 0))
    for image in (clear, palette, clear.convert("RGBa")):
        picture = sent(convert.from_pil(image, "x", RULES)).convert("RGB")
        assert picture.getpixel((15, 10)) == (255, 255, 255)
        assert picture.getpixel((5, 10)) == (0, 0, 255)
    assert sent(convert.from_pil(gray, "x", RULES)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    keyed = saved(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert sent(convert.from_bytes(keyed, "x", RULES)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_not_cut() -> None:
    ramp = np.linspace(0, 65535, 100 * 100).astype(np.uint16).reshape(100, 100)
    picture = sent(convert.from_bytes(saved(Image.fromarray(ramp), "PNG"), "x", RULES))
    assert picture.getextrema() in ((0, 255), (0, 254), (1, 255))
    dim = Image.fromarray((ramp // 64).astype(np.uint16))  # 10 bits used, as microscopes do
    assert sent(convert.from_pil(dim, "x", RULES)).getextrema()[1] > 240  # type: ignore[operator]
    floats = Image.fromarray(np.linspace(-1, 1, 10_000, dtype=np.float32).reshape(100, 100))
    assert sent(convert.from_bytes(saved(floats, "TIFF"), "x", RULES)).getextrema()[1] > 240  # type: ignore[operator]
    broken = Image.fromarray(np.full((9, 9), np.nan, dtype=np.float32))
    assert sent(convert.from_pil(broken, "x", RULES)).size == (9, 9)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "PA", "La"])
def test_every_mode_of_pillow_becomes_a_picture(mode: str) -> None:
    image = Image.new(mode, (30, 20))
    assert sent(convert.from_pil(image, "x", RULES)).mode in ("L", "RGB")


def test_cmyk_and_other_profiles_become_srgb() -> None:
    red = Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    pixel = sent(convert.from_bytes(saved(red, "JPEG", quality=95), "x", RULES)).getpixel((20, 20))
    assert pixel[0] > 200 and pixel[1] < 60  # type: ignore[index]
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert sent(convert.from_bytes(saved(drawing(9, 9), "PNG", icc_profile=lab), "x", RULES)).mode == "RGB"
    assert (
        sent(convert.from_bytes(saved(drawing(9, 9), "PNG", icc_profile=b"junk"), "x", RULES)).mode == "RGB"
    )


def test_of_an_animation_the_first_frame_is_sent() -> None:
    frames = [Image.new("RGB", (30, 20), color) for color in ("red", "green", "blue")]
    for form in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        picture = sent(convert.from_bytes(data, "x", RULES)).convert("RGB")
        assert picture.getpixel((5, 5))[0] > 240  # type: ignore[index]


def test_an_image_of_the_users_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(photo(4000, 3000), "JPEG", dpi=(72, 72)))
    image = Image.open(path)
    info = dict(image.info)
    made = convert.from_pil(image, "image", RULES)
    assert sent(made).size == (2212, 1659)
    assert (image.size, image.mode, dict(image.info)) == ((4000, 3000), "RGB", info)
    small = drawing(20, 10)
    small.info["comment"] = "mine"
    convert.from_pil(small, "small", RULES)
    assert small.info == {"comment": "mine"}


def test_arrays_of_bytes_are_pictures_and_others_are_not() -> None:
    assert convert.from_array(np.zeros((20, 30, 3), np.uint8), "a", RULES).size == (30, 20)
    assert convert.from_array(np.zeros((20, 60, 4), np.uint8)[:, ::2], "a", RULES).size == (30, 20)
    for shape, kind in (
        ((20, 30), "uint8"),
        ((20, 30, 3), "float64"),
        ((2, 3, 5), "uint8"),
        ((0, 3, 3), "uint8"),
    ):
        with pytest.raises(AttachmentError):
            convert.from_array(np.zeros(shape, kind), "a", RULES)


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (16_000, 14_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_in_one_line_before_it_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as many data scientists set it
    with pytest.raises(AttachmentError, match="is too large") as refused:
        convert.from_bytes(bomb(*size), "bomb.png", RULES)
    assert "\n" not in str(refused.value)
    monkeypatch.undo()
    with pytest.raises(AttachmentError, match="is too large"):
        convert.from_bytes(bomb(*size), "bomb.png", RULES)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_files_are_refused_in_one_line(form: str) -> None:
    whole = saved(photo(300, 200), form)
    for cut in (len(whole) // 2, 40, 12):
        with pytest.raises(AttachmentError, match=r"^x\.png is damaged") as refused:
            convert.from_bytes(whole[:cut], "x.png", RULES)
        assert "\n" not in str(refused.value)
    noise = bytearray(whole)
    noise[len(noise) // 3 : len(noise) // 2] = random.Random(1).randbytes(len(noise) // 2 - len(noise) // 3)
    try:
        convert.from_bytes(bytes(noise), "x.png", RULES)
    except AttachmentError as error:
        assert "\n" not in str(error)


def test_a_wrong_name_does_not_matter_but_what_is_no_picture_is_said() -> None:
    made = convert.from_bytes(saved(drawing(20, 10), "PNG"), "x.jpg", RULES, media_type="image/jpeg")
    assert made.blocks[1]["source"]["media_type"] == "image/png"
    with pytest.raises(AttachmentError, match="not an image that can be read, though it says image/png"):
        convert.from_bytes(b"<html>Not found</html>", "x.png", RULES, media_type="image/png")
    with pytest.raises(AttachmentError):
        convert.from_bytes(b"", "x.png", RULES)


def test_base64_and_data_urls_are_recognized_and_texts_are_not() -> None:
    data = saved(drawing(20, 10), "PNG")
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    for encoded in (text, wrapped, f"data:image/png;base64,{text}", f"data:image/jpeg;name=x;base64,{text}"):
        assert decode(encoded) == data
    assert decode("data:image/svg+xml;utf8,%3Csvg xmlns='x'/%3E") == b"<svg xmlns='x'/>"
    for other in (
        "",
        "hello",
        "iVBORw0KGgo",
        "A" * 5000,
        "data:text/plain,hi",
        "data:",
        text[:100] + "!!!" + text[100:],
    ):
        assert decode(other) is None


def test_what_ipython_displays_as_a_picture_is_one(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(saved(photo(30, 20), "JPEG"))
    for value in (
        ipd.Image(str(path)),
        ipd.Image(path.read_bytes()),
        ipd.SVG("<svg width='30' height='20'/>"),
    ):
        made = displayed.attach(value, "x", RULES)
        assert made is not None and made.kind == "image"
    url = displayed.attach(ipd.Image(url="https://example.org/x.png"), "x", RULES)
    assert url is not None and url.blocks[1]["source"] == {"type": "url", "url": "https://example.org/x.png"}
    assert displayed.attach(ipd.HTML("x"), "x", RULES) is None
    assert displayed.attach("hello", "x", RULES) is None


def test_no_picture_is_longer_than_the_provider_takes() -> None:
    noise = Image.frombytes("RGB", (2500, 1400), random.Random(0).randbytes(2500 * 1400 * 3))
    noise.paste("white", (0, 0, 1300, 1400))  # a drawing by its background
    for provider, limit in (("anthropic", 10_000_000), ("bedrock", 5_000_000)):
        made = convert.from_pil(noise, "x", Rules(provider=provider))
        assert len(made.blocks[1]["source"]["data"]) <= limit
        assert len(made.thumbnail or "") <= 3072


def test_among_more_than_twenty_images_no_side_is_over_2000() -> None:
    wide = convert.from_pil(drawing(2500, 700), "x", RULES)
    assert wide.size == (2500, 700)
    assert convert.from_pil(drawing(2500, 700), "x", Rules(images_before=20)).size == (2000, 560)
    small = convert.shrink(wide)
    assert small.size == sent(small).size == (2000, 560)
    assert small.sent == "2,000 × 560"
    assert wide.tokens - small.tokens == 90 * 25 - 72 * 20
    assert convert.shrink(small) is small


def test_the_images_of_a_request_are_held_to_its_limits_together() -> None:
    wide = convert.from_pil(drawing(2500, 700), "x", RULES)
    narrow = convert.from_pil(drawing(100, 70), "x", RULES)
    earlier = [{"role": "user", "content": [*narrow.blocks] * 19}]
    assert request_limits.hold([wide], earlier, RULES) == (wide,)
    held = request_limits.hold([wide, narrow], earlier, RULES)
    assert [a.size for a in held] == [(2000, 560), (100, 70)]
    result = {"type": "tool_result", "tool_use_id": "t", "content": [wide.blocks[1]]}
    with pytest.raises(ContentTooLargeError, match="2,000 px"):
        request_limits.hold([narrow, narrow], [*earlier, {"role": "user", "content": [result]}], RULES)
    with pytest.raises(ContentTooLargeError, match="accepts 100"):
        request_limits.hold([narrow] * 82, earlier, Rules(model=facts("claude-haiku-4-5")))


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size}>{inside}</svg>'
)


def test_svg_is_drawn_on_white_in_a_readable_size() -> None:
    circle = '<circle cx="12" cy="12" r="9" fill="#f00"/>'
    for size, drawn in (
        ('width="24" height="24"', (96, 96)),
        ('viewBox="0 0 24 24"', (96, 96)),
        ('width="460.8pt" height="345.6pt" viewBox="0 0 460.8 345.6"', (800, 600)),
        ('width="100%" viewBox="0 0 900 300"', (900, 300)),
        ('width="90000" height="30000"', (2576, 859)),
        ("", (400, 400)),
    ):
        made = convert.from_bytes(SVG.format(size=size, inside=circle).encode(), "x.svg", RULES)
        assert made.size == pytest.approx(drawn, abs=1), size
        picture = sent(made).convert("RGB")
        corner = picture.getpixel((picture.width - 1, picture.height - 1))
        assert corner == (255, 255, 255)
    head = '<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://x/svg11.dtd">\n'
    assert convert.sniff((head + SVG.format(size="", inside="")).encode()) == "image/svg+xml"


def test_svg_fetches_nothing_from_network_or_disk(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(saved(Image.new("RGB", (50, 50), "red"), "PNG"))
    inner = base64.b64encode(
        SVG.format(
            size='width="50" height="50"', inside=f'<image href="{secret}" width="50" height="50"/>'
        ).encode()
    )
    for reference in (
        f'<image href="{secret}" width="50" height="50"/>',
        f"<image xlink:href='file://{secret}' width='50' height='50'/>",
        f'<image\nxlink:href\t= "{secret}" width="50" height="50"/>',
        f'<image href="data:image/svg+xml;base64,{inner.decode()}" width="50" height="50"/>',
        '<image href="http://127.0.0.1:9/x.png" width="50" height="50"/>',
        '<style>@import url("http://127.0.0.1:9/x.css");</style>',
    ):
        text = SVG.format(size='width="50" height="50"', inside=reference)
        assert "secret" not in svg.local(text)
        picture = sent(convert.from_svg(text, "x.svg", RULES)).convert("RGB")
        assert picture.getcolors() == [(picture.width * picture.height, (255, 255, 255))], reference
    red = base64.b64encode(secret.read_bytes()).decode()
    inside = f'<image href="data:image/png;base64,{red}" width="50" height="50"/>'
    picture = sent(convert.from_svg(SVG.format(size='width="50" height="50"', inside=inside), "x", RULES))
    assert picture.convert("RGB").getpixel((60, 60)) == (255, 0, 0)


@pytest.mark.parametrize(
    "text", ["<svg", "<svg></svgx>", "<svg xmlns='http://www.w3.org/2000/svg'><g></svg>", "nothing"]
)
def test_a_broken_svg_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(AttachmentError, match="cannot be drawn") as refused:
        convert.from_svg(text, "x.svg", RULES)
    assert "\n" not in str(refused.value)


def test_without_anything_that_draws_svg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"claude-jupyter\[figures\]"):
        convert.from_svg("<svg/>", "x.svg", RULES)


def test_a_png_with_damaged_metadata_is_shown_as_browsers_show_it():
    written = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(written, "PNG", dpi=(72, 72))
    sound = written.getvalue()
    at = sound.index(b"pHYs")
    damaged = sound[: at + 4] + bytes([sound[at + 4] ^ 1]) + sound[at + 5 :]
    assert convert.from_bytes(damaged, "plot", Rules()).size == (40, 30)
    assert without_damaged_metadata(sound) == sound
    assert without_damaged_metadata(b"GIF89a") == b"GIF89a"
    with pytest.raises(AttachmentError, match="damaged"):
        convert.from_bytes(damaged[:60], "plot", Rules())
