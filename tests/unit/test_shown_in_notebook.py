"""What the notebook shows of a value, Claude gets: mimebundles, registered formatters, buffers, geometries. Paths inside are values."""

from __future__ import annotations

import base64
import collections
import dataclasses
import io
import types
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from IPython.core.formatters import DisplayFormatter
from IPython.display import JSON
from PIL import Image

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import attach, file, register
from claude_jupyter.content.declared import FUNCTIONS
from claude_jupyter.content.rules import Rules
from claude_jupyter.display.formatters import formatted


def text(value: Any, rules: Rules = Rules()) -> str:
    return "\n".join(b["text"] for a in attach(value, "v", rules) for b in a.blocks if b["type"] == "text")


def one(value: Any, rules: Rules = Rules()) -> Attachment:
    (attachment,) = attach(value, "v", rules)
    return attachment


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "PNG")
    return stream.getvalue()


SECRET = "the file's own content"


@dataclasses.dataclass
class Job:
    source: Any


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "holding",
    [
        lambda p: [p],
        lambda p: [p, p],
        lambda p: (p,),
        lambda p: {"config": p},
        lambda p: {p: 1},
        lambda p: {p},
        lambda p: frozenset([p]),
        lambda p: [[p]],
        lambda p: {"a": {"b": [p]}},
        lambda p: [("name", p)],
        lambda p: Pair(p, 1),
        lambda p: collections.OrderedDict(a=p),
        lambda p: collections.defaultdict(list, a=[p]),
        lambda p: collections.deque([p]),
        lambda p: types.MappingProxyType({"a": p}),
        lambda p: types.SimpleNamespace(a=p),
        lambda p: Job(p),
        lambda p: [Job(p)],
        lambda p: np.array([p, p], dtype=object),
        lambda p: pd.Series([p]),
        lambda p: pd.DataFrame({"p": [p]}),
        lambda p: [PurePosixPath(p)],
        lambda p: [p, png()],
        lambda p: {"picture": Image.new("RGB", (40, 30)), "path": p},
    ],
)
def test_a_path_inside_a_container_is_a_value(
    holding: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("notes.txt")
    path.write_text(SECRET)
    said = text(holding(path))
    assert SECRET not in said and "notes.txt" in said


def test_a_path_by_itself_and_a_named_file_are_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(SECRET)
    for value in (path, file(path), [file(path)]):
        (attachment,) = attach(value, "v", Rules())
        assert SECRET in str(attachment.blocks)


def bundled(bundle: Any) -> Any:
    class Bundled:
        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
            return bundle

    return Bundled()


def showing(kind: str, made: Any, said: str = "") -> Any:
    return type(
        "Shows",
        (),
        {f"_repr_{kind}_": lambda self: made, **({"__repr__": lambda self: said} if said else {})},
    )()


class Strict:
    def _repr_mimebundle_(self, include: Any, exclude: Any) -> Any:
        return {"text/markdown": "**strict**"}


class Bare:
    def _repr_mimebundle_(self) -> Any:
        return {"text/plain": "bare words"}


@pytest.mark.parametrize(
    ("value", "piece"),
    [
        (bundled({"text/plain": "plain words"}), "plain words"),
        (bundled({"text/markdown": "**bold** words"}), "**bold** words"),
        (bundled({"text/html": "<p>two &amp; three</p>"}), "two & three"),
        (bundled({"text/latex": "$x^2$"}), "$x^2$"),
        (bundled({"text/markdown": "# one", "text/plain": "obj"}), "# one"),
        (bundled(({"text/markdown": "with metadata"}, {"isolated": True})), "with metadata"),
        (bundled({"text/html": ["<p>in</p>", "<p>lines</p>"]}), "in\nlines"),
        (bundled({"text/plain; charset=utf-8": "with charset"}), "with charset"),
        (bundled({"text/html": "<table><tr><td>1</td><td>2</td></tr></table>"}), "1 | 2"),
        (showing("markdown", ("# pair", {})), "# pair"),
        (showing("html", ("<p>pair</p>", {"isolated": True})), "pair"),
        (showing("latex", ("$y$", {})), "$y$"),
        (showing("markdown", "# a report of many words", "Report(3)"), "# a report of many words"),
        (showing("html", "<h1>Report</h1><p>of many words</p>", "Report(3)"), "Report\nof many words"),
        (showing("html", "<h1>Report</h1><p>of many words</p>", "Report(3)"), "Report(3)"),
        (showing("html", "<b>3</b>", "Quantity(3)"), "Quantity(3)"),
        (showing("json", {"k": ["é", 0.1]}), '{"k": ["é", 0.1]}'),
        (showing("json", ({"k": 1}, {"expanded": True})), '{"k": 1}'),
        (bundled({"application/json": {"k": 1}, "text/plain": "<T object>"}), '{"k": 1}'),
        (JSON({"k": 12345678.9}), '{"k": 12345678.9}'),
        (Strict(), "**strict**"),
        (Bare(), "bare words"),
        (io.StringIO("a buffer of text"), "a buffer of text"),
        (io.BytesIO(b"a buffer of bytes"), "a buffer of bytes"),
        (io.StringIO(""), ""),
        (shapely.Point(0.1, 2), "POINT (0.1 2)"),
        (shapely.Point(0.1, 2), "Shapely Point of 1 point"),
        (shapely.Polygon([(0, 0), (0, 3), (4, 0)]), "POLYGON ((0 0, 0 3, 4 0, 0 0))"),
        (shapely.Polygon([(0, 0), (0, 3), (4, 0)]), "area: 6"),
        (shapely.LineString([(0, 0), (3, 4)]), "length: 5"),
        (shapely.MultiPoint([(0, 0), (3, 4)]), "MULTIPOINT"),
        (shapely.GeometryCollection(), "GEOMETRYCOLLECTION EMPTY"),
        (shapely.Point(12.34567890123456, 1), "12.34567890123456"),
        ([shapely.Point(0.1, 2)], "POINT (0.1 2)"),
        ({"here": shapely.Point(0.1, 2)}, "POINT (0.1 2)"),
    ],
)
def test_what_the_notebook_shows_claude_gets(value: Any, piece: str) -> None:
    assert piece in text(value)


def test_a_mimebundle_with_metadata_or_strict_arguments_is_drawn() -> None:
    class Picture:
        def _repr_mimebundle_(self, include: Any, exclude: Any) -> Any:
            return {"image/png": base64.b64encode(png()).decode()}, {"image/png": {"width": 20}}

    assert one(Picture()).kind == "image"


def test_a_buffer_is_read_whole_and_left_where_it_stands() -> None:
    words = io.StringIO("one two three")
    words.seek(4)
    assert "one two three" in text(words) and words.tell() == 4
    picture = io.BytesIO(png())
    picture.seek(9)
    assert one(picture).kind == "image" and picture.tell() == 9
    assert [a.kind for a in attach({"plot": picture}, "v", Rules())] == ["image"]
    picture.close()
    assert "it is closed" in text(picture)


def test_a_geometry_goes_with_its_picture() -> None:
    shown = one(shapely.Polygon([(0, 0), (0, 3), (4, 0)]))
    assert shown.kind == "image" and "POLYGON" in shown.blocks[-1]["text"]
    withheld = one(shapely.Point(73517351, 2), Rules(rows="none"))
    assert (
        withheld.kind == "text"
        and "73517351" not in str(withheld)
        and withheld.sent == "Point, no coordinates"
    )


class Thing:
    pass


class Child(Thing):
    pass


@pytest.mark.parametrize(
    ("media_type", "shown", "piece"),
    [
        ("text/markdown", "**thing**", "**thing**"),
        ("text/html", "<p>a thing</p>", "a thing"),
        ("text/latex", r"$\theta$", r"$\theta$"),
        ("application/json", {"thing": 1}, '{"thing": 1}'),
        ("text/html", ("<p>paired</p>", {"isolated": True}), "paired"),
    ],
)
@pytest.mark.parametrize("value", [Thing(), Child(), [Thing()]])
def test_a_formatter_registered_with_ipython_is_what_claude_gets(
    media_type: str, shown: Any, piece: str, value: Any
) -> None:
    display = DisplayFormatter()
    display.formatters[media_type].for_type(Thing, lambda _thing: shown)
    assert piece in text(value, Rules(formatted=lambda v: formatted(display, v)))


def test_registered_pictures_plain_text_and_failures() -> None:
    display = DisplayFormatter()
    rules = Rules(formatted=lambda v: formatted(display, v))
    display.formatters["text/plain"].for_type(Thing, lambda _t, p, _cycle: p.text("plainly a thing"))
    assert "plainly a thing" in text(Thing(), rules)
    display.formatters["image/png"].for_type_by_name(__name__, "Thing", lambda _t: png())
    assert one(Thing(), rules).kind == "image"
    display = DisplayFormatter()
    display.formatters["text/html"].for_type(Thing, lambda _t: 1 / 0)
    assert "Thing" in text(Thing(), rules)


def test_numbers_lists_and_frames_are_shown_by_our_own_rules() -> None:
    display = DisplayFormatter()
    rules = Rules(formatted=lambda v: formatted(display, v))
    for kind in (float, list, dict, pd.DataFrame):
        display.formatters["text/html"].for_type(kind, lambda _v: "ours is better")
    for value in (1.25, [1, 2], {"a": 1}, pd.DataFrame({"a": [1]})):
        assert "ours is better" not in text(value, rules)


def test_the_objects_own_word_comes_first_of_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(dict[str, Any]):
        def _ai_repr_(self, **_kwargs: Any) -> Any:
            return "for an AI"

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
            return {"text/plain": "for people"}

    monkeypatch.setitem(FUNCTIONS, Own, lambda _v: "registered")
    display = DisplayFormatter()
    display.formatters["text/html"].for_type(Own, lambda _v: "formatted")
    rules = Rules(formatted=lambda v: formatted(display, v))
    assert "for an AI" in text(Own(a=1), rules)
    assert "for an AI" in text([Own(a=1)], rules) and "for an AI" in text({"x": Own()}, rules)


def test_what_is_registered_here_goes_before_what_ipython_has() -> None:
    register(Thing, lambda _v: "registered here")
    try:
        assert "registered here" in text(Thing(), Rules(formatted=lambda _v: {"text/plain": "IPython's"}))
    finally:
        FUNCTIONS.pop(Thing)
