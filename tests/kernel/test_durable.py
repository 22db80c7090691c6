"""What is left in the file when an answer has ended: Markdown, plain text, the answer as data, and no widget."""

from __future__ import annotations

import json
from decimal import Decimal

import nbformat
import pytest
from nbclient import NotebookClient
from support.asking import ask, assert_durable
from support.kernel import ANSWER, WIDGET
from support.kernel_fixtures import environment
from support.raw_server import Play, answer, sse, text_events

TEXT = "# A title\n\nSome *text*, `code`, $x^2$.\n\n```python\nprint('hello')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
FIELDS = {
    "version", "id", "chat", "turn", "model", "provider", "blocks", "attachments", "usage", "cost",
    "estimated", "complete", "stop_reason", "started", "seconds", "replayed",
}  # fmt: skip


@pytest.mark.parametrize("cell_id", ["a", None], ids=["lab", "nbclient"])
def test_the_output_ends_as_markdown_and_no_widget(cell_id, kernel, server):
    server.reset(answer(TEXT))
    done = ask(kernel, cell_id=cell_id)
    assert done.ok, done.error
    assert_durable(done.answer)
    assert len(done.outputs) == 1
    assert done.answer["text/plain"] == TEXT.rstrip("\n") or done.answer["text/plain"] == TEXT
    assert done.answer["text/markdown"].startswith(f"**Claude**\n\n{TEXT.rstrip()}\n\n")


def test_the_last_line_names_model_date_and_price(kernel, server):
    server.reset(answer(TEXT))
    last = ask(kernel, cell_id="a").answer["text/markdown"].rstrip().splitlines()[-1]
    assert last.startswith(("*", "_")) and last.endswith(("*", "_"))
    assert "claude-sonnet-5-5" in last or "Sonnet" in last
    assert "20" in last and "$" in last


def test_the_answer_is_described_as_the_contract_says(kernel, server):
    server.reset(answer(TEXT, input_tokens=12, cache_read_input_tokens=100))
    told = ask(kernel, cell_id="a").answer[ANSWER]
    assert set(told) >= FIELDS
    assert told["version"] == 1
    assert told["complete"] is True and told["estimated"] is False and told["replayed"] is False
    assert told["stop_reason"] == "end_turn"
    assert told["usage"]["input"] == 12 and told["usage"]["cache_read"] == 100
    # claude-sonnet-5-5: 2 USD in, 0.10 cached, 10 out per million.
    output = told["usage"]["output"]
    assert Decimal(told["cost"]) == Decimal(12 * 2 + output * 10) / 10**6 + Decimal(100) / 10**7
    json.dumps(told)


def test_text_blocks_are_ranges_of_the_markdown(kernel, server):
    server.reset(answer("Ünïcödé 😀 and a < b."))
    bundle = ask(kernel, cell_id="a").answer
    (block,) = [b for b in bundle[ANSWER]["blocks"] if b["type"] == "text"]
    shown = bundle["text/markdown"][block["start"] : block["end"]]
    assert shown.startswith("Ünïcödé 😀 and a < b.")
    assert "text" not in block


def test_thinking_is_kept_but_is_not_the_answer(kernel, server):
    events = text_events("Four.")
    thinking = sse(
        [
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Two and two."}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
            {"type": "content_block_stop", "index": 0},
        ]
    )  # fmt: skip
    rest = [event.replace(b'"index": 0', b'"index": 1') for event in events[1:]]
    server.reset(Play([events[0], *thinking, *rest]))
    done = ask(kernel, cell_id="a")
    assert done.answer["text/plain"] == "Four."
    assert [b["type"] for b in done.answer[ANSWER]["blocks"]] == ["thinking", "text"]
    ask(kernel, "And?")
    first = server.requests[-1].json["messages"][1]["content"][0]
    assert first == {"type": "thinking", "thinking": "Two and two.", "signature": "c2ln"}


def test_one_display_id_from_the_first_output_to_the_last(kernel, server):
    server.reset(Play([step for event in text_events(TEXT, size=4) for step in (event, 0.01)]))
    done = ask(kernel, cell_id="a")
    shown = done.of("display_data", "update_display_data")
    ids = {m.content["transient"]["display_id"] for m in shown if m.content.get("transient")}
    assert ids == {done.answer[ANSWER]["id"]}


def test_each_letter_crosses_once(kernel, server):
    text = "".join(f"{i:05d} " for i in range(1500))
    server.reset(Play([step for event in text_events(text, size=30) for step in (event, 0.005)]))
    done = ask(kernel, cell_id="a")
    assert done.answer["text/plain"].strip() == text.strip()
    for word in ("00007", "00700", "01400"):
        said = sum(json.dumps(m.content).count(word) for m in done.messages if m.type == "comm_msg")
        assert said <= 1, f"{word} crossed {said} times"


def test_widgets_are_closed_when_the_answer_ends(kernel, server):
    server.reset(Play([step for event in text_events(TEXT, size=4) for step in (event, 0.01)]))
    done = ask(kernel, cell_id="a")
    ask(kernel, "Again?", cell_id="b")
    opened = [m.content["comm_id"] for m in done.of("comm_open")]
    closed = {m.content["comm_id"] for m in done.of("comm_close")}
    # One library model of the view's code may stay open for the kernel's life.
    assert len([comm for comm in opened if comm not in closed]) <= 1


def test_nbclient_leaves_no_trace_of_a_widget(server, tmp_path, monkeypatch):
    for name, value in environment(server.url).items():
        monkeypatch.setenv(name, value)
    server.reset(answer(TEXT))
    cells = ["%load_ext claude_jupyter", "%%claude\nWhy?", "%claude and what then?"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    done = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "widgets" not in done.metadata
    for cell in done.cells[1:]:
        (output,) = cell.outputs
        assert_durable(output.data)
        assert output.data["text/plain"].strip() == TEXT.strip()
    nbformat.validate(done)
    assert WIDGET not in nbformat.writes(done)


def test_nothing_of_the_machine_or_the_key_is_stored(kernel, server, tmp_path):
    server.reset(answer("I see."))
    secret = tmp_path / "deep" / "notes.txt"
    secret.parent.mkdir()
    secret.write_text("Some notes.")
    done = ask(kernel, "What is in it?", f'-f "{secret}"', cell_id="a")
    assert done.ok, done.error
    stored = json.dumps(done.outputs)
    assert "notes.txt" in stored
    assert str(tmp_path) not in stored
    assert "test-key-of" not in stored
