"""What replay promises: the same request is answered from its recording for $0, and nothing of what was sent is kept."""

from __future__ import annotations

import base64
import io
import json

import pandas as pd
import pytest
from PIL import Image
from support.world import stage

from claude_jupyter.conversation.store.recording_files import Recordings, request_hash
from claude_jupyter.demo.script import Call, Say, Script
from claude_jupyter.display.bundle import bundle
from claude_jupyter.errors import ReplayError


@pytest.fixture
def recording(tmp_path):
    def with_replies(replies, mode="auto"):
        context = stage(replies)
        stage_ = context.__enter__()
        stage_.settings.replay, stage_.settings.replay_dir = mode, str(tmp_path / "replays")
        opened.append(context)
        return stage_

    opened = []
    yield with_replies
    for context in opened:
        context.__exit__(None, None, None)


def test_with_only_nothing_at_all_goes_to_the_network(tmp_path):
    with stage("Fine.") as s:
        s.settings.replay, s.settings.replay_dir = "only", str(tmp_path)
        assert not s.claude.count("q").exact and "table" in s.claude.models.source
        for ask in (
            lambda: s.claude.ask("q", model="claude-new-9"),
            lambda: s.claude.map(["a"], "{value}"),
            lambda: s.claude.map(["a"], "{value}", batch=True),
            lambda: list(s.claude.stream("q")),
        ):
            with pytest.raises(ReplayError):
                ask()
        assert not s.server.requests


def test_the_same_question_is_answered_from_its_recording(recording, tmp_path):
    first = recording(["The answer."])
    first.claude.ask("What, canary?")
    again = recording([])
    answer = again.claude.ask("What, canary?")
    assert answer.text == "The answer." and answer.replayed and answer.cost == 0 and not again.bodies
    (path,) = (tmp_path / "replays").iterdir()
    assert "canary" not in path.read_text() and json.loads(path.read_text())["hash"] == path.stem


@pytest.mark.parametrize("instructions", [False, True])
def test_a_recording_answers_on_a_machine_with_other_versions(recording, tmp_path, monkeypatch, instructions):
    (tmp_path / "CLAUDE.md").write_text("Use metric units.")
    first = recording(["The answer."])
    again = recording([])
    for on in (first, again):
        on.env.folder, on.settings.instructions = tmp_path, instructions
    first.claude.ask("What?")
    monkeypatch.setattr("platform.python_version", lambda: "3.14.9")
    assert again.claude.ask("What?").replayed and not again.bodies
    again.settings.system, again.settings.replay = "Pirate.", "only"
    with pytest.raises(ReplayError):
        again.claude.ask("What?", once=True)


def test_replayed_rows_are_told_apart_from_asked_ones(recording):
    recording("Fine.").claude.map(["a", "b"], "Say {value}.")
    again, said = recording("Fine."), []
    again.env.frontend.show = said.append
    again.claude.map(["a", "b", "c"], "Say {value}.")
    assert said[-1].startswith("3 rows: 1 asked for ") and said[-1].endswith("; 2 replayed")


def test_what_an_answer_cites_is_replayed_too_and_a_changed_document_is_asked_again(recording, tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("The pump failed on 3 March.\n", encoding="utf-8")
    cited = {
        "type": "char_location", "start_char_index": 4, "end_char_index": 15, "cited_text": "pump failed",
        "document_index": 0, "document_title": "log.txt", "file_id": None,
    }  # fmt: skip
    said = Script(pieces=[Say("It "), Say("failed", (cited,)), Say(" in March.")])
    first = recording([said]).claude.ask("What happened?", log)
    again = recording([])
    answer = again.claude.ask("What happened?", log)
    assert answer.replayed and not again.bodies and answer.text == first.text
    assert answer.citations == first.citations and answer.citations[0]["cited"] == "pump failed"
    (markdown,) = {bundle(a)[0]["text/markdown"].rpartition("\n\n")[0] for a in (first, answer)}
    assert "> “pump failed” — *log.txt*, characters 5–15" in markdown
    kept = "".join(path.read_text() for path in (tmp_path / "replays").iterdir())
    assert "on 3 March" not in kept
    log.write_text("The pump failed on 4 March.\n", encoding="utf-8")
    changed = recording(["Asked."])
    assert changed.claude.ask("What happened?", log).text == "Asked." and len(changed.bodies) == 1


def test_looking_around_is_replayed_while_what_is_seen_is_the_same(recording):
    table = pd.DataFrame({"city": ["Oslo", "Rome"], "amount": [1, 2]})
    looks = Script(pieces=[Call("query", {"sql": "SELECT sum(amount) AS s FROM sales"}, id="toolu_1")])
    first = recording([looks, "Three."])
    first.env.namespace = lambda: {"sales": table}
    first.claude.ask("The total?", look=True)
    again = recording([])
    again.env.namespace = lambda: {"sales": table}
    answer = again.claude.ask("The total?", look=True)
    assert answer.text == "Three." and answer.tools[0]["tokens"] and not again.bodies
    other = recording(["Four."])
    other.env.namespace = lambda: {"sales": table.assign(amount=[2, 2])}
    assert other.claude.ask("The total?", look=True).text == "Four."


def test_tool_rounds_are_replayed_too(recording):
    def look(where: str) -> str:
        """Look."""
        return f"a cat {where}"

    replies = [Script(calls=[Call("look", {"where": "here"}, id="toolu_1")]), "I see a cat."]
    recording(replies).claude.ask("look", tool=look)
    again = recording([])
    assert again.claude.ask("look", tool=look).text == "I see a cat." and not again.bodies


def test_only_never_asks_and_names_the_question(recording):
    here = recording(["never"], mode="only")
    with pytest.raises(ReplayError, match="Why is it so"):
        here.claude.ask("Why is it so?")
    with pytest.raises(ReplayError, match="never uses the network"):
        here.claude.ask("Why is it so?", no_replay=True)
    assert not here.bodies


def test_pictures_enter_by_their_pixels_and_cache_marks_not_at_all():
    image = Image.radial_gradient("L").convert("RGB")

    def request(level, mark):
        data = io.BytesIO()
        image.save(data, "PNG", compress_level=level)
        source = {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(data.getvalue()).decode(),
        }
        block = {"type": "image", "source": source, **mark}
        return {"model": "m", "messages": [{"role": "user", "content": [block]}]}

    one, two = request(1, {}), request(9, {"cache_control": {"type": "ephemeral"}})
    assert one != two and request_hash(one) == request_hash(two)
    assert request_hash(one) != request_hash({**one, "model": "n"})


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda text: text[:40], "is incomplete"),
        (lambda text: "[" * 100_000, "is incomplete"),
        (lambda text: text.encode()[:40] + "ü".encode()[:1], "is incomplete"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "newer"),
        (lambda _: "{}", "not a recording"),
        (lambda text: text.replace('"hash": "', '"hash": "0'), "does not match"),
    ],
)
def test_a_damaged_recording_is_one_clear_line(tmp_path, damage, told):
    recordings, params = Recordings(tmp_path), {"model": "m", "messages": []}
    recordings.keep(params, {"content": []})
    (path,) = tmp_path.iterdir()
    damaged = damage(path.read_text())
    path.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    with pytest.raises(ReplayError, match=told):
        recordings.find(params)


def test_half_an_emoji_costs_no_recording(tmp_path):
    recordings, params = Recordings(tmp_path), {"model": "m", "messages": []}
    message = {"content": [{"type": "text", "text": "half an emoji: \ud83d"}]}
    recordings.keep(params, message)
    assert recordings.find(params) == {"content": [{"type": "text", "text": "half an emoji: \ufffd"}]}


def test_what_is_no_parameter_enters_too():
    from claude_jupyter.client.events import Request
    from claude_jupyter.conversation.ask.run import identity

    params = {"model": "m", "messages": []}
    warm = Request(params, extra={"extra_body": {"temperature": 0.9}, "timeout": 5})
    cold = Request(params, extra={"extra_body": {"temperature": 0.1}, "timeout": 9})
    hashes = {request_hash(identity(r)) for r in (Request(params), warm, cold, Request(params, ("a-beta",)))}
    assert len(hashes) == 4
    assert request_hash(identity(Request(params, extra={"timeout": 1}))) == request_hash(params)


def test_a_recording_is_found_under_a_budget_and_asks_nobody(recording):
    first = recording(["The answer."])
    first.settings.budget = 0.05  # leaves less than max_tokens, which is clamped
    first.claude.ask("What?")
    again = recording([])
    again.settings.budget, again.settings.confirm_above = 0.0001, 0.0
    assert again.claude.ask("What?").replayed and not again.bodies


def test_a_recording_that_cannot_be_kept_costs_a_word_and_not_the_answer(recording, monkeypatch):
    here = recording(["The answer."])
    from claude_jupyter.conversation.store.recording_files import Recordings

    def full(*_):
        raise ReplayError("The recording cannot be saved in replays: No space left on device.")

    monkeypatch.setattr(Recordings, "keep", full)
    answer = here.claude.ask("What?")
    assert answer.complete and answer.text == "The answer."
    assert "cannot be" in answer.blocks[-1]["text"]
