"""What a page is told over its comm: prices, context and turns of this kernel, and the panel's commands."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from PIL import Image
from support.world import stage

from claude_jupyter.magics.page.link import Links
from claude_jupyter.magics.page.page_settings import PageSettings

SQUARE = Image.new("RGB", (8, 8), "red")


class Comm:
    """The page's end of a comm, as ipykernel gives it to a target."""

    comm_id = "comm-1"

    def __init__(self) -> None:
        self.sent: list[dict] = []

    def on_msg(self, heard) -> None:
        self.say = lambda data: heard({"content": {"data": data}})

    def send(self, data) -> None:
        self.sent.append(data)


@pytest.fixture
def page():
    with stage(lambda body: "An answer.") as s:
        home = SimpleNamespace(
            shell=SimpleNamespace(),
            env=s.env,
            claude=s.claude,
            ip=None,
            page_settings=PageSettings(s.env.settings),
        )
        comm = Comm()
        Links(home)._on_open(comm, {"content": {"data": {"op": "hello"}}})
        yield s, comm


def test_a_page_is_told_how_things_stand(page):
    s, comm = page
    assert comm.sent[0]["op"] == "state" and comm.sent[0]["turns"] == []
    s.run("cell-1", "1")
    answer = s.claude.ask("What is odd?\nSecond line.")
    comm.say({"op": "state"})
    state = comm.sent[-1]
    assert Decimal(state["kernel"]["cost"]) == Decimal(state["notebook"]["cost"]) == answer.cost
    assert state["kernel"]["tokens"] == answer.usage.total and state["kernel"]["calls"] == 1
    assert state["context"]["window"] == 1_000_000 and state["context"]["used"] > 0
    (turn,) = state["turns"]
    assert turn["cell"] == "cell-1" and turn["prompt"] == "What is odd?" and turn["turn"] == 1
    assert sum(turn["parts"].values()) == pytest.approx(float(answer.cost))


def test_the_panels_commands_do_what_they_say(page, tmp_path, monkeypatch):
    s, comm = page
    monkeypatch.chdir(tmp_path)
    s.claude.ask("one")
    s.claude.ask("two")
    comm.say({"op": "hide", "turn": 1})
    assert [t["hidden"] for t in comm.sent[-1]["turns"]] == [True, False]
    comm.say({"op": "undo"})
    assert [t["hidden"] for t in comm.sent[-1]["turns"]] == [False, False]
    comm.say({"op": "new"})
    assert comm.sent[-1]["afresh"] is True
    comm.say({"op": "new"})
    assert comm.sent[-1]["afresh"] is False, "pressed by mistake"
    comm.say({"op": "new"})
    s.claude.ask("three")
    assert [m["role"] for m in s.bodies[-1]["messages"]] == ["user"]
    comm.say({"op": "export"})
    assert (tmp_path / "claude-main.md").exists()
    assert comm.sent[-1]["note"] == "Written to claude-main.md"
    assert comm.sent[-1]["afresh"] is False
    assert [t["starts"] for t in comm.sent[-1]["turns"]] == [False, False, True]
    comm.say({"op": "fork"})
    assert comm.sent[-1]["chat"] == "main-2" and len(comm.sent[-1]["turns"]) == 3
    assert comm.sent[-1]["chats"] == ["main", "main-2"]
    comm.say({"op": "chat", "name": "main"})
    assert comm.sent[-1]["chat"] == "main"
    comm.say({"op": "state"})
    assert comm.sent[-1]["chat"] == "main", "shown from now on"
    comm.say({"op": "chat", "name": "gone"})
    assert comm.sent[-1] == {"op": "error", "text": "the chat 'gone' no longer exists"}
    comm.say({"op": "hide", "turn": 99})
    assert comm.sent[-1] == {"op": "error", "text": "there is no turn 99: this chat has 3"}


def test_a_lost_answer_is_told_as_it_stands_in_an_output(page):
    from claude_jupyter.answer.codec import MIME
    from claude_jupyter.display.bundle import bundle

    s, comm = page
    s.run("cell-1", "1")
    answer = s.claude.ask("What is odd?")
    comm.say({"op": "state"})
    (turn,) = comm.sent[-1]["turns"]
    assert turn["answer"] == answer.id
    comm.say({"op": "answer", "id": answer.id})
    data, metadata = bundle(answer)
    assert comm.sent[-1] == {"op": "answer", "id": answer.id, "data": data, "metadata": metadata}
    assert comm.sent[-1]["data"][MIME]["id"] == answer.id
    comm.say({"op": "answer", "id": "none"})
    assert comm.sent[-1]["op"] == "error" and "no longer part of the conversation" in comm.sent[-1]["text"]


def test_the_page_is_told_whether_to_keep_totals(page):
    s, comm = page
    assert comm.sent[-1]["notebook_totals"] is True
    s.env.settings.notebook_totals = False
    comm.say({"op": "state"})
    assert comm.sent[-1]["notebook_totals"] is False
    assert comm.sent[-1]["user"] == s.env.billing.owner.user


def test_a_page_is_shown_what_was_sent(page):
    s, comm = page
    answer = s.claude.ask("What is it?", {"age": 41}, SQUARE)
    for place in range(len(answer.attachments)):
        comm.say({"op": "sent", "ask": place, "id": answer.id, "place": place})
    table, picture = comm.sent[-2:]
    assert table["ask"] == 0 and "41" in table["text"] and table["image"] is None
    assert picture["ask"] == 1 and picture["image"].startswith("data:image/png;base64,")
    for unknown in (
        {"id": "other", "place": 0},
        {"id": answer.id, "place": 7},
        {"id": answer.id, "place": None},
    ):
        comm.say({"op": "sent", "ask": 9, **unknown})
        assert "not in this kernel" in comm.sent[-1]["text"]


def test_a_model_is_chosen_by_its_price_and_settings_are_taken(page):
    s, comm = page
    models = {m["id"]: m for m in comm.sent[0]["models"]}
    assert models["claude-haiku-5-5"] == {"id": "claude-haiku-5-5", "input": 0.1, "output": 0.5}
    comm.say({"op": "model", "name": "claude-haiku-5-5"})
    assert comm.sent[-1]["model"] == "claude-haiku-5-5"
    assert s.claude.ask("Who?").model == "claude-haiku-5-5"
    comm.say({"op": "state", "settings": {"budget": 2.5, "rows": "some"}})
    assert comm.sent[-1]["budget"]["kernel"] == "2.5"
    assert comm.sent[-1]["note"].startswith("JupyterLab's settings: rows")
