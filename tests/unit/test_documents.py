"""A file is shown by what it holds, labeled with its name alone; what cannot be sent is refused in one line before it is read."""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import attach
from claude_jupyter.content.cells import page_cells
from claude_jupyter.content.dispatch import attach_file
from claude_jupyter.content.files import table_files as tables
from claude_jupyter.content.files import text_files
from claude_jupyter.content.files.pdf import page_count
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, MissingExtraError
from claude_jupyter.models import facts

RULES = Rules()


def one(path: Path | str, rules: Rules = RULES) -> Attachment:
    (attachment,) = attach_file(path, rules)
    return attachment


def words(attachment: Attachment) -> str:
    return "\n".join(attachment.texts)


def png(color: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(stream, "PNG")
    return stream.getvalue()


def pdf(pages: int, *, extra: bytes = b"", packed: bool = False) -> bytes:
    """A PDF as plain objects, or with its page tree inside a compressed object stream."""
    tree = b"<< /Type /Pages /Kids [] /Count %d >>" % pages
    if packed:
        stream = zlib.compress(b"2 0 " + tree)
        body = b"5 0 obj << /Type /ObjStm /N 1 /First 4 /Length %d >>\nstream\n%s\nendstream endobj\n" % (
            len(stream),
            stream,
        )
    else:
        body = b"2 0 obj %s endobj\n" % tree
    return b"%PDF-1.7\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n" + body + extra + b"\n%%EOF"


def test_a_pdf_is_a_document_with_its_pages_and_tokens(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(pdf(3))
    shown = one(tmp_path / "report.pdf")
    assert (shown.kind, shown.label, shown.sent) == ("document", "report.pdf", "3 pages")
    source = shown.blocks[1]["source"]
    assert shown.blocks[1]["type"] == "document" and source["media_type"] == "application/pdf"
    assert base64.b64decode(source["data"]) == pdf(3)
    assert 3 * 3000 <= shown.tokens <= 3 * 6000
    assert one_value(pdf(2)).sent == "2 pages"
    assert one_value(base64.b64encode(pdf(2)).decode()).sent == "2 pages"


def one_value(value: Any, rules: Rules = RULES) -> Attachment:
    (attachment,) = attach(value, "v", rules)
    return attachment


def test_pages_are_counted_in_real_and_in_compressed_files() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with PdfPages(stream) as pages:
        for _ in range(4):
            pages.savefig(Figure())
    assert page_count(stream.getvalue()) == 4
    assert page_count(pdf(12, packed=True)) == 12
    assert page_count(b"%PDF-1.4 nothing") is None


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [
        (pdf(1, extra=b"trailer << /Encrypt 9 0 R >>"), "claude-sonnet-5-5", "encrypted"),
        (pdf(601), "claude-sonnet-5-5", "at most 600"),
        (pdf(101), "claude-haiku-4-5", "at most 100"),
        (pdf(1, extra=b" " * (25 << 20)), "claude-sonnet-5-5", "32 MB"),
    ],
    ids=["encrypted", "600", "100", "large"],
)
def test_a_pdf_that_would_be_refused_is_refused_before(data: bytes, model: str, said: str) -> None:
    with pytest.raises(AttachmentError, match=said):
        attach(data, "v", Rules(model=facts(model)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("grüße".encode(), ""),
        ("\ufeffgrüße".encode(), ""),
        ("grüße".encode("utf-16"), "utf-16"),
        ("grüße und mehr".encode("utf-16-le"), "utf-16-le"),
        ("grüße".encode("latin-1"), "latin-1"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "utf-16 without mark", "latin-1"],
)
def test_text_is_read_in_its_encoding_and_a_guess_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    shown = one(tmp_path / "a.txt")
    assert "grüße" in words(shown)
    assert (f"read as {said}" in words(shown)) == bool(said) == any("read as" in n for n in shown.notes)


def test_source_is_text_and_a_file_that_is_too_long_keeps_its_beginning_and_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def first(): ...\n" + "x = 1\n" * 50_000 + "def last(): ...\n")
    shown = one(tmp_path / "a.py", Rules(text_tokens=20_000))
    assert "def first()" in words(shown) and "def last()" in words(shown)
    assert "characters left out" in words(shown) and shown.notes
    assert shown.tokens < 21_000


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert "(an empty file)" in words(one(tmp_path / "a.txt"))


def test_an_image_is_told_by_what_it_holds_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.txt", "c"):
        (tmp_path / name).write_bytes(png())
        assert one(tmp_path / name).kind == "image"
    (tmp_path / "d.png").write_bytes(b"words, not a picture")
    with pytest.raises(AttachmentError):
        one(tmp_path / "d.png")


def frame() -> pd.DataFrame:
    return pd.DataFrame({"who": ["anna", "ben", "cleo"], "sum": [1.5, 2.5, 3.5]})


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather"])
def test_tables_become_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sales{suffix}"
    {
        ".csv": partial(frame().to_csv, index=False),
        ".tsv": partial(frame().to_csv, index=False, sep="\t"),
        ".parquet": frame().to_parquet,
        ".feather": frame().to_feather,
    }[suffix](path)
    shown = one(path)
    assert (shown.kind, shown.label, shown.sent) == ("frame", f"sales{suffix}", "schema + all 3 rows")
    assert "3 distinct, 1.5 … 3.5" in words(shown) and "anna | 1.5" in words(shown)
    assert one(path, Rules(rows="none")).sent == "schema only, no rows"
    assert str(tmp_path) not in str(shown)


@pytest.mark.parametrize("library", tables.LIBRARIES["text"])
def test_every_library_that_may_be_there_reads_them(
    tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LIBRARIES", {"text": (library,), "parquet": (library,)})
    frame().to_csv(tmp_path / "a.csv", index=False, sep=";")
    frame().to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        said = words(one(tmp_path / name))
        assert "3 rows × 2 columns" in said and "anna | 1.5" in said, said


def test_a_large_table_is_read_in_part_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "WHOLE", 1000)
    monkeypatch.setattr(tables, "HEAD_ROWS", 50)
    monkeypatch.setattr(tables, "EXACT_CELLS", 100)
    big = pd.DataFrame({"n": range(5000), "s": "x"})
    big.to_csv(tmp_path / "a.csv", index=False)
    big.to_parquet(tmp_path / "a.parquet")
    for library in tables.LIBRARIES["text"]:
        monkeypatch.setattr(tables, "LIBRARIES", {"text": (library,), "parquet": (library,)})
        shown = one(tmp_path / "a.csv")
        assert "rows were read" in words(shown) and "of the first" in shown.sent, library
    for library in ("pyarrow", "polars", "duckdb"):
        monkeypatch.setattr(tables, "LIBRARIES", {"text": (library,), "parquet": (library,)})
        assert "were read" in words(one(tmp_path / "a.parquet")), library


def test_without_any_library_a_csv_is_shown_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LIBRARIES", {"text": (), "parquet": ()})
    frame().to_csv(tmp_path / "a.csv", index=False)
    shown = one(tmp_path / "a.csv", Rules(rows="2"))
    assert "who,sum\nanna,1.5\nben,2.5\n" in words(shown) and "cleo" not in words(shown)
    withheld = one(tmp_path / "a.csv", Rules(rows="none"))
    assert "who,sum" in words(withheld) and "anna" not in words(withheld) and not withheld.rows
    frame().to_parquet(tmp_path / "a.parquet")
    with pytest.raises(MissingExtraError, match="pip install"):
        one(tmp_path / "a.parquet")


def test_a_csv_that_is_none_is_text_and_a_damaged_parquet_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,2,3,4\n"unclosed')
    assert "shown as text" in one(tmp_path / "a.csv").notes[-1]
    (tmp_path / "latin.csv").write_bytes("stadt\nKöln\n".encode("latin-1"))
    assert "Köln" in words(one(tmp_path / "latin.csv"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(AttachmentError, match=r"a\.parquet cannot be read"):
        one(tmp_path / "a.parquet")


def notebook(*outputs: dict[str, Any]) -> bytes:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {"cell_type": "code", "source": "plot()", "outputs": list(outputs)},
    ]
    return json.dumps({"cells": cells, "nbformat": 4, "metadata": {"path": "secret"}}).encode()


def test_a_notebook_is_its_cells_and_outputs_with_pictures_as_pictures(tmp_path: Path) -> None:
    picture = base64.b64encode(png()).decode()
    (tmp_path / "n.ipynb").write_bytes(
        notebook(
            {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m words\n"]},
            {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "<Figure size>"}},
            {"output_type": "execute_result", "data": {"text/html": "<table>", "text/plain": "   a\n0  1"}},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[0;31mE\x1b[0m: v"]},
            {"output_type": "stream", "text": base64.b64encode(bytes(range(256)) * 9).decode()},
        )
    )
    shown = one(tmp_path / "n.ipynb")
    said = words(shown)
    for piece in (
        "# Title\nwords",
        "plot()",
        "red words",
        "[picture 1]",
        "   a\n0  1",
        "E: v",
        "[base64 left out: 3,072 characters]",
    ):
        assert piece in said, piece
    assert picture not in said and "\x1b" not in said and "<Figure" not in said
    assert [b["type"] for b in shown.blocks] == ["text", "image", "text"]
    assert shown.sent == "2 cells, 1 picture" and shown.rows


def test_a_damaged_picture_in_a_notebook_is_noted_and_no_notebook_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_bytes(
        notebook({"output_type": "display_data", "data": {"image/png": "iVBORw0K"}})
    )
    assert any("could not be shown" in note for note in one(tmp_path / "n.ipynb").notes)
    for data in (b"{}", b"[1]", b"no json", b'{"cells": 5}', b"[" * 100_000):
        (tmp_path / "n.ipynb").write_bytes(data)
        with pytest.raises(AttachmentError, match="not a notebook"):
            one(tmp_path / "n.ipynb")


def test_a_glob_gives_its_files_in_order_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    for i in range(105):
        (tmp_path / f"{i:03}.txt").write_text(f"number {i}")
    (tmp_path / "sub.txt").mkdir()
    shown = attach_file(str(tmp_path / "*.txt"), RULES)
    assert [a.label for a in shown[:100]] == [f"{i:03}.txt" for i in range(100)]
    assert shown[100].sent == "5 files not shown" and len(shown) == 101
    assert str(tmp_path) not in str(shown)
    with pytest.raises(AttachmentError, match="no file matches"):
        attach_file(str(tmp_path / "*.none"), RULES)


def test_files_of_one_name_from_several_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(folder)
    shown = attach_file(str(tmp_path / "*" / "x.txt"), RULES)
    assert [a.label for a in shown] == ["x.txt", "x.txt (2)"]


def test_a_name_with_brackets_that_exists_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("inside")
    assert "inside" in words(one(tmp_path / "a[1].txt"))


def test_a_missing_file_is_told_with_the_nearest_names_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "sales_2024.csv").touch()
    with pytest.raises(
        AttachmentError, match=r"no file sales_2025.csv here; near it: sales_2024.csv"
    ) as caught:
        one(tmp_path / "sales_2025.csv")
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(AttachmentError, match="there is no folder nowhere"):
        one(tmp_path / "nowhere" / "x.csv")


def test_folders_pipes_and_long_names_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(AttachmentError, match="is a folder"):
        one(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AttachmentError, match="neither a file nor a folder"):
        one(tmp_path / "pipe")
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(AttachmentError):
            one(tmp_path / name)


@pytest.mark.parametrize("name", ["a.bin", "a.txt", "a.pdf", "a.png", "a.csv", "a.ipynb", "a.parquet"])
def test_two_gigabytes_are_refused_before_they_are_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / name).open("wb") as stream:
        stream.truncate(2 << 30)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with pytest.raises(AttachmentError, match=name.replace(".", r"\.")):
        one(tmp_path / name)


def test_a_binary_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    with pytest.raises(AttachmentError, match="load it in Python"):
        one(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    "url", ["ftp://host/a.png", "file:///etc/passwd", "s3://b/a.png", "javascript:alert(1)", "http://"]
)
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(AttachmentError, match="only http and https"):
        attach_file(url, RULES)


def test_image_and_pdf_urls_are_passed_on_and_not_fetched() -> None:
    image = one("https://host.invalid/folder/a%20b.png?key=1")
    assert image.blocks[1] == {
        "type": "image",
        "source": {"type": "url", "url": "https://host.invalid/folder/a%20b.png?key=1"},
    }
    assert image.label == "a b.png" and image.tokens > 1000
    assert one("http://host.invalid/x.pdf").blocks[1]["type"] == "document"
    assert one("http://host.invalid/get?format=jpg").blocks[1]["type"] == "image"
    with pytest.raises(AttachmentError, match="for anything else, download it"):
        attach_file("https://host.invalid/page.html", RULES)


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = {"/a.png": png(), "/a.pdf": pdf(2), "/page.png": b"<html>no</html>"}.get(self.path)
        self.send_response(200 if data else 404)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Files) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("provider", ["bedrock", "vertex", "google_cloud"])
def test_providers_that_take_no_urls_get_the_bytes(server: str, provider: str) -> None:
    rules = Rules(provider=provider)
    assert one(f"{server}/a.png", rules).blocks[-1]["source"]["type"] == "base64"
    assert one(f"{server}/a.pdf", rules).sent == "2 pages"
    for missing in ("/none.png", "/page.png"):
        with pytest.raises(AttachmentError):
            one(f"{server}{missing}", rules)


def test_the_lines_of_a_text_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    for text, said in (
        ("one\n", "1 line"),
        ("one\ntwo\n", "2 lines"),
        ("one\ntwo", "2 lines"),
        ("one\n\n", "2 lines"),
    ):
        (tmp_path / "t.txt").write_text(text)
        assert attach_file(tmp_path / "t.txt", RULES)[0].sent == said
    (tmp_path / "none.csv").write_text("")
    assert attach_file(tmp_path / "none.csv", RULES)[0].sent == "empty"


def test_zeros_are_no_text_in_two_bytes_a_letter() -> None:
    assert text_files.decode(b"\x93NUMPY" + bytes(4000)) == ("", None)
    assert text_files.decode("für".encode("utf-16-le")) == ("für", "utf-16-le")


def test_a_file_that_the_asking_cell_holds():
    held = {"red.png": png(), "ages.csv": b"name,age\nAnn,41\n"}
    asking = {
        "cell": "c1",
        "answers_above": [],
        "attachments": {n: base64.b64encode(d).decode() for n, d in held.items()},
    }
    page_cells.receive(json.dumps({"cells": [], "asking": asking}))
    try:
        assert one("attachment:red.png").kind == "image"
        table = one("attachment:ages.csv")
        assert table.label == "ages.csv" and "Ann" in words(table)
        with pytest.raises(AttachmentError, match=r"'?other\.png'? is not in this cell"):
            one("attachment:other.png")
    finally:
        page_cells.forget()
    with pytest.raises(AttachmentError, match="Save it as a file and use its path"):
        one("attachment:red.png")
