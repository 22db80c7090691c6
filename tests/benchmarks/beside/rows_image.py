"""What it takes to make a photo ready: CPU time, that time against bare Pillow's to the same size, and what is sent."""

from __future__ import annotations

import base64
import io
import random

from .alternatives import Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row
from .rows_frame import work

PILLOW = """
import io
from PIL import Image
buffer = io.BytesIO()
Image.open(path).resize({size}).save(buffer, "{form}")
"""


def rows() -> list[Row]:
    """The group's rows."""
    return [
        Row("image", "a photo of 4,000 x 3,000 made ready, CPU", "ms"),
        Row("image-pillow", "the same, of bare Pillow's time to that size", "x"),
        Row("image-sent", "the same, sent (base64)", "KB"),
    ]


def measure(bench: Bench) -> list[Row]:
    """Medians of three."""
    from PIL import Image

    grain = Image.frombytes("RGB", (400, 300), random.Random(0).randbytes(400 * 300 * 3))
    photo = bench.folder / "photo.jpg"
    grain.resize((4000, 3000), Image.Resampling.BICUBIC).save(photo, "JPEG", quality=90)
    ours = bench.homes[bench.alternatives[0].name]

    def one(alternative: Alternative, home: Home) -> Measured:
        done = work(home, "image", str(photo), alternative.image)
        with Image.open(io.BytesIO(base64.b64decode(done["data"]))) as sent:
            size, form = sent.size, sent.format
        note = f"sends {size[0]:,} x {size[1]:,} px"
        told = {
            "image": Figure(done["cpu"] * 1000, note),
            "image-sent": Figure(len(done["data"]) / 1000, note),
        }
        if size == (4000, 3000):
            return {**told, "image-pillow": Cannot("sends the file as it is")}
        bare = work(ours, "image", str(photo), PILLOW.format(size=size, form=form))
        return {**told, "image-pillow": Figure(done["cpu"] / bare["cpu"])}

    return bench.each("image", rows(), one)
