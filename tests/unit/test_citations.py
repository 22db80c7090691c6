"""Documents are cited: sent with citations on, quoted below the claim with page or place, all of a request or none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import cases
from support.world import stage

from claude_jupyter import file
from claude_jupyter.answer.codec import read_output
from claude_jupyter.answer.model import Add, Put
from claude_jupyter.client.stream import Closed, Grew, Opened
from claude_jupyter.content import attach
from claude_jupyter.content.dispatch import attach_file
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.ask.answer_blocks import Blocks
from claude_jupyter.demo.documents.pdf_text import page_texts
from claude_jupyter.demo.replies import DemoReplies
from claude_jupyter.demo.script import Call, Say, Script, Think
from claude_jupyter.display.bundle import bundle
from claude_jupyter.errors import BadRequestError

ON = {"enabled": True}
LOG = "Shift report.\n\nThe pump failed at 14:02 on 3 March. It was replaced at 15:10.\nNobody was hurt.\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log.txt").write_text(LOG)
    return tmp_path / "log.txt"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with PdfPages(tmp_path / "report.pdf") as pages:
        for words in ("Introduction to valves.", "The turbine was inspected on Monday.", "The end."):
            figure = Figure()
            figure.text(0.1, 0.5, words)
            pages.savefig(figure)
    return tmp_path / "report.pdf"


def documents(body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for message in body["messages"]:
        for block in message["content"]:
            inside = block["content"] if block["type"] == "tool_result" else [block]
            found += [b for b in inside if isinstance(b, dict) and b["type"] == "document"]
    return found


def char_location(start: int, end: int, title: str = "log.txt") -> dict[str, Any]:
    place = {"type": "char_location", "start_char_index": start, "end_char_index": end}
    return {
        **place,
        "cited_text": LOG[start:end],
        "document_index": 0,
        "document_title": title,
        "file_id": None,
    }


# -- what is sent --------------------------------------------------------------------------------------------------------


def test_a_text_file_and_a_pdf_are_documents_with_citations_named_as_their_files(log: Path, report: Path):
    for shown in (
        *attach_file(str(log), Rules()),
        *attach(log, "x", Rules()),
        *attach(file(str(log)), "x", Rules()),
    ):
        label, document = shown.blocks
        assert shown.kind == "document" and shown.label == "log.txt" and "4 lines" in shown.sent
        assert document["source"] == {"type": "text", "media_type": "text/plain", "data": LOG}
        assert (document["title"], document["citations"]) == ("log.txt", ON)
        assert LOG in shown.texts and "log.txt" in label["text"]
    (shown,) = attach_file(str(report), Rules())
    assert (shown.blocks[1]["title"], shown.blocks[1]["citations"]) == ("report.pdf", ON)


def test_a_string_bytes_source_code_and_data_are_no_documents(tmp_path: Path):
    for name in ("a.py", "b.json", "c.yaml"):
        (tmp_path / name).write_text("x = 1\n")
        (shown,) = attach_file(str(tmp_path / name), Rules())
        assert [b["type"] for b in shown.blocks] == ["text"]
    for value in (LOG, LOG.encode(), io.StringIO(LOG)):
        (shown,) = attach(value, "x", Rules())
        assert [b["type"] for b in shown.blocks] == ["text"]


def test_secrets_and_control_characters_do_not_leave_in_a_document(tmp_path: Path):
    (tmp_path / "n.txt").write_text("a\x07b sk-ant-api03-" + "x" * 40)
    (shown,) = attach_file(
        str(tmp_path / "n.txt"),
        Rules(redact=lambda t: (t.replace("sk-ant", "[redacted KEY]"), ("KEY",) * ("sk-ant" in t))),
    )
    assert "sk-ant" not in str(shown.blocks) and "\x07" not in str(shown.blocks)
    assert "redacted" in shown.notes[-1]


def test_a_dry_run_shows_the_text_of_a_document(log: Path):
    with stage(DemoReplies(), pace=0.0, first=0.0) as s:
        receipt = s.claude.ask("When?", log, dry_run=True)
        assert "pump failed" in str(receipt)


# -- all documents of a request, or none ---------------------------------------------------------------------------------


def test_returns_sends_all_documents_without_citations_and_says_once_what_that_costs(log: Path, report: Path):
    thought = [
        Script(thinking="Hm.", text=text)
        for text in ("One.", '{"value": 3}', '{"value": 4}', "Two.", "Three.")
    ]
    with stage(thought, pace=0.0, first=0.0) as s:
        s.claude.ask("a", log)
        typed = s.claude.ask("b", report, returns=int)
        again = s.claude.ask("c", returns=int)
        back = s.claude.ask("d")
        last = s.claude.ask("e")
        switches = [[d.get("citations") for d in documents(body)] for body in s.bodies]
        assert switches == [[ON], [None, None], [None, None], [ON, ON], [ON, ON]]

        def notices(answer: Any) -> list[str]:
            return [b["text"] for b in answer.blocks if b["type"] == "notice"]

        (said,) = notices(typed)
        assert "without" in said and "tokens are written to the cache again" in said and "$" in said
        assert "with citations again" in notices(back)[0]
        assert notices(again) == notices(last) == []
        # What came first is sent byte for byte as before, and thinking only after what it was made with.
        first = s.bodies[0]["messages"][0]["content"]
        assert [
            {k: v for k, v in b.items() if k != "cache_control"}
            for b in s.bodies[3]["messages"][0]["content"]
        ] == [{k: v for k, v in b.items() if k != "cache_control"} for b in first]
        kinds = [b["type"] for m in s.bodies[4]["messages"] for b in m["content"] if m["role"] == "assistant"]
        assert kinds == ["thinking", "text", "text", "text", "thinking", "text"]


def test_a_document_that_a_tool_gives_back_follows_the_rule(report: Path):
    def fetch() -> Any:
        """Fetch the report."""
        return report

    scripts = [Script(calls=[Call("fetch", {})]), Script(text="Done."), Script(text='{"value": 3}')]
    with stage(scripts, pace=0.0, first=0.0) as s:
        s.claude.ask("a", tool=fetch)
        s.claude.ask("b", returns=int)
        assert [[d.get("citations") for d in documents(body)] for body in s.bodies] == [[], [ON], [None]]


def test_the_service_refuses_some_documents_with_and_some_without_citations():
    with stage(pace=0.0, first=0.0) as s:
        document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
        with pytest.raises(Exception, match="all or none") as caught:
            s.claude.client.messages.create(
                model="claude-sonnet-5-5", max_tokens=9,
                messages=[{"role": "user", "content": [document, {**document, "citations": ON}]}],
            )  # fmt: skip
        assert not isinstance(caught.value, BadRequestError)


# -- what comes back -----------------------------------------------------------------------------------------------------


def test_quotes_stand_below_the_paragraph_that_cites_them_with_page_or_characters(log: Path):
    page = {
        "type": "page_location", "start_page_number": 3, "end_page_number": 5, "cited_text": "Page three.",
        "document_index": 1, "document_title": "report.pdf", "file_id": None,
    }  # fmt: skip
    pieces = [
        Think("Hm."), Say("In short: "), Say("the pump failed", (char_location(15, 51),)), Say(" in March.\n\nIt was "),
        Say("looked into", (page,)), Say(".\n\n- one\n- two"),
    ]  # fmt: skip
    with stage([Script(pieces=pieces), Script(text="Fine.")], pace=0.0, first=0.0) as s:
        answer = s.claude.ask("When?", log)
        assert [b["type"] for b in answer.blocks] == [
            "thinking",
            "text",
            "citation",
            "text",
            "citation",
            "text",
        ]
        assert answer.text == "In short: the pump failed in March.\n\nIt was looked into.\n\n- one\n- two"
        first, second = answer.citations
        assert (
            first["title"] == "log.txt" and first["cited"] == LOG[15:51] and first["characters"] == [15, 51]
        )
        assert second["title"] == "report.pdf" and second["pages"] == [3, 4]
        data, _ = bundle(answer)
        assert data["text/markdown"].startswith(
            "**Claude**\n\nIn short: the pump failed in March.\n\n"
            "> “The pump failed at 14:02 on 3 March.” — *log.txt*, characters 16–51\n\n"
            "It was looked into.\n\n> “Page three.” — *report.pdf*, pp. 3–4\n\n- one\n- two\n\n*"
        )
        assert data["text/plain"] == answer.text
        read = read_output(data)
        assert read is not None and read.citations == answer.citations and read.text == answer.text
        s.claude.ask("And?")  # the service takes back what it said, citations and all
        assert s.bodies[-1]["messages"][1]["content"][2]["citations"] == [char_location(15, 51)]


def test_a_web_source_stands_where_it_stood():
    web = {
        "type": "web_search_result_location",
        "cited_text": "x",
        "url": "https://a.example/",
        "title": "A",
        "encrypted_index": "e",
    }
    with stage([Script(pieces=[Say("It is so", (web,)), Say(".\n\nAnd so on.")])], pace=0.0, first=0.0) as s:
        answer = s.claude.ask("q")
        assert [b["type"] for b in answer.blocks] == ["text", "citation"]
        assert "- [&#91;1&#93; A — a.example](https://a.example/)" in bundle(answer)[0]["text/markdown"]


def arrived(pieces: list[tuple[str, bool]], size: int) -> tuple[Blocks, str]:
    """An answer of text blocks, some with a quote, in deltas of so many letters; and what a view was told of its texts."""
    blocks, told = Blocks(), dict[int, str]()

    def take(*changes: Any) -> None:
        for part in blocks.take(changes):
            if isinstance(part, Put) and part.data["type"] == "text":
                told[part.block] = part.data["text"]
            elif isinstance(part, Add):
                told[part.block] += part.text

    for at, (text, quoted) in enumerate(pieces):
        take(Opened(at, {"type": "text", "text": ""}))
        for k in range(0, len(text), size):
            take(Grew(at, text[k : k + size]))
        take(Closed(at, {"type": "text", "text": text, "citations": [char_location(0, 5)] if quoted else []}))
    for part in blocks.release():
        assert isinstance(part, Add)
        told[part.block] += part.text
    return blocks, "\n\n".join(text.rstrip("\n") for text in told.values() if text)


WORDS = st.sampled_from(
    ["a claim", ".", "\n\n", "\n", "Next", "- item", "1. one", "```\nx = 1\n```", "```", "$$", "| a |", "  "]
)


@cases(150)
@given(
    st.lists(
        st.tuples(st.lists(WORDS, min_size=1, max_size=5).map("".join), st.booleans()), min_size=1, max_size=6
    ),
    st.integers(1, 9),
)
def test_whatever_is_cited_the_text_stays_what_the_service_said(pieces: list[tuple[str, bool]], size: int):
    blocks, told = arrived(pieces, size)
    frozen = blocks.frozen()
    said = "".join(text for text, _ in pieces)
    texts = [b["text"] for b in frozen if b["type"] == "text"]
    assert "\n\n".join(texts) == said
    assert told == "\n\n".join(t.rstrip("\n") for t in texts)
    assert sum(b["type"] == "citation" for b in frozen) == sum(quoted for _, quoted in pieces)


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    "rest",
    [".\n\n- an item\n\n- another", ":\n\n```\nx = 1\n\ny = 2\n```", " $$\nx\n\ny\n$$"],
    ids=["list", "code", "mathematics"],
)
def test_lists_code_and_mathematics_are_not_torn_apart(rest: str, size: int):
    blocks, _ = arrived([("- a claim", True), (rest, False)], size)
    assert (
        len([b for b in blocks.frozen() if b["type"] == "text" and ("item" in b["text"] or "x" in b["text"])])
        == 1
    )


# -- the demo model ------------------------------------------------------------------------------------------------------


def test_the_demo_quotes_a_sentence_that_stands_where_it_says(log: Path, report: Path):
    with stage(DemoReplies(), pace=0.0, first=0.0) as s:
        (quote,) = s.claude.ask("When did the pump fail?", log).citations
        start, end = quote["characters"]
        assert quote["cited"] == LOG[start:end] == "The pump failed at 14:02 on 3 March."
        (page,) = s.claude.ask("Which turbine was inspected?", report).citations
        assert (page["title"], page["pages"]) == ("report.pdf", [2, 2])
        assert page["cited"] in page_texts(report.read_bytes())[1]
        assert s.claude.ask("Anything about elephants?").citations == ()
        assert s.claude.ask("How many turbines?", returns=int).citations == ()


def test_the_text_of_a_pdf_is_read_by_page(report: Path):
    assert page_texts(report.read_bytes()) == [
        "Introduction to valves.",
        "The turbine was inspected on Monday.",
        "The end.",
    ]
    assert page_texts(b"%PDF-1.7 nothing") == []
