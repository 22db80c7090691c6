"""What a user of `claude` gets: answers, history, costs, and nothing lost when things go wrong."""

from __future__ import annotations

import threading
from decimal import Decimal

import pandas as pd
import pytest
from PIL import Image
from support.world import stage

from claude_jupyter.conversation.ask import prepare as preparing
from claude_jupyter.conversation.ask import run as asking
from claude_jupyter.conversation.ask.request import build
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.demo.script import Call, Script, Wait
from claude_jupyter.errors import (
    APIConnectionError,
    AuthenticationError,
    ClaudeError,
    NotFoundError,
    OverloadedError,
    RefusalError,
    StoppedError,
    UsageError,
)


def texts(messages):
    return [(m["role"], "".join(b.get("text", "") for b in m["content"])) for m in messages]


def test_what_is_not_sent_is_no_question():
    with stage() as s:
        s.claude.ask("q", dry_run=True)
        s.claude.count("q")
        assert s.claude.ask("q").turn == 1


def test_an_answer_that_comes_while_turns_are_hidden_stays():
    with stage(["One.", "Two."]) as s:
        s.claude.ask("first")
        other = threading.Thread(target=s.claude.ask, args=("second",))

        class Slow(int):
            def __gt__(self, _other):
                other.start()
                other.join(1)
                return True

        s.claude.hide([Slow(1)])
        other.join(60)
        assert [(t.answer.text, t.hidden) for t in s.claude.turns] == [("One.", True), ("Two.", False)]


def test_an_answer_has_text_usage_and_price():
    with stage(Script(text="Forty-two.")) as s:
        answer = s.claude.ask("What is six times seven?")
        assert str(answer) == answer.text == "Forty-two."
        assert answer.complete and answer.stop_reason == "end_turn"
        assert answer.usage.prompt > 0 and answer.usage.output > 0
        assert isinstance(answer.cost, Decimal) and answer.cost == sum(answer.cost.parts.values()) > 0
        assert s.claude.cost == answer.cost and s.claude.usage == answer.usage
        assert s.view.ended == [answer]


def test_the_second_question_carries_the_first_byte_for_byte():
    with stage(["One.", "Two."]) as s:
        s.claude.ask("first")
        s.claude.ask("second")
        before, after = s.bodies

        def bare(message):
            return [{k: v for k, v in b.items() if k != "cache_control"} for b in message["content"]]

        assert bare(after["messages"][0]) == bare(before["messages"][0])
        assert [m["role"] for m in after["messages"]] == ["user", "assistant", "user"]


def test_what_has_two_names_is_sent_once_and_members_of_a_list_each():
    frame = pd.DataFrame({"city": ["Oslo", "Rome"] * 30, "price": range(60)})
    dot = Image.new("RGB", (60, 40), "red")
    with stage("Yes.") as s:
        answer = s.claude.ask("same?", frame, frame.copy(), dot, [dot, dot])
        sent = str(s.bodies[-1]["messages"])
        assert sent.count("first 7 rows") == 1 and "The same as value 1." in sent
        assert [a.sent for a in answer.attachments][1] == "same as value 1"
        assert [b["type"] for b in s.bodies[-1]["messages"][-1]["content"]].count("image") == 1
        s.claude.ask("same?", [dot, dot], once=True)
        assert [b["type"] for b in s.bodies[-1]["messages"][-1]["content"]].count("image") == 2


def test_a_cell_that_is_run_again_replaces_its_turn_and_later_ones_stay():
    with stage(["A1", "B1", "A2"]) as s:
        s.run("cell-a", "1")
        s.claude.ask("a")
        s.run("cell-b", "2")
        s.claude.ask("b")
        s.run("cell-a", "3")
        s.claude.ask("a again")
        assert [m["role"] for m in s.bodies[2]["messages"]] == ["user"]
        assert [t.answer.text for t in s.claude.turns] == ["A2", "B1"]
        assert "replaces" in s.claude.last.blocks[-1]["text"]
        s.claude.undo()
        assert [t.answer.text for t in s.claude.turns] == ["A1", "B1"]


def test_a_loop_in_one_cell_adds_up_and_run_all_twice_is_the_same():
    with stage(["1", "2", "3"] * 2) as s:
        for execution in ("first", "second"):
            s.run("loop", execution)
            for i in range(3):
                s.claude.ask(f"question {i}")
            assert [t.answer.text for t in s.claude.turns] == ["1", "2", "3"]


def test_a_failed_rerun_keeps_the_old_answer():
    with stage([Script(text="old"), Script(status=400, error="no")]) as s:
        s.run("c", "1")
        s.claude.ask("q")
        s.run("c", "2")
        with pytest.raises(Exception, match="no"):
            s.claude.ask("q2")
        assert [t.answer.text for t in s.claude.turns] == ["old"]


def test_new_begins_afresh_and_once_leaves_no_trace():
    with stage(["1", "2", "3", "4"]) as s:
        s.claude.ask("a")
        s.claude.ask("b", new=True)
        s.claude.ask("c", once=True)
        s.claude.ask("d")
        assert [len(b["messages"]) for b in s.bodies] == [1, 1, 1, 3]
        assert [t.prompt for t in s.claude.turns] == ["a", "b", "d"]


def test_named_chats_are_separate():
    with stage(["1", "2"]) as s:
        s.claude.ask("a")
        s.claude.ask("b", chat="side")
        assert [len(b["messages"]) for b in s.bodies] == [1, 1]
        assert [t.prompt for t in s.claude.chat("side").turns] == ["b"]
        with pytest.raises(UsageError, match="is not a chat name"):
            s.claude.chat("../x")


def test_a_question_without_an_answer_leaves_no_trace():
    with stage([Script(status=401), Script(stop_reason="refusal"), Script(text="fine")]) as s:
        with pytest.raises(AuthenticationError, match="claude_key"):
            s.claude.ask("one")
        with pytest.raises(RefusalError):
            s.claude.ask("two")
        s.claude.ask("three")
        assert texts(s.bodies[-1]["messages"]) == [("user", "three")]


def test_busy_services_are_tried_again_and_that_is_shown():
    with stage([Script(status=529, headers={"retry-after-ms": "10"}), Script(text="at last")]) as s:
        assert s.claude.ask("q").text == "at last"
        assert any("529" in str(p) for p in s.view.parts)
    with stage(Script(status=529, headers={"retry-after-ms": "10"})) as s:
        with pytest.raises(OverloadedError):
            s.claude.ask("q")
        assert len(s.bodies) == 3


def test_an_unknown_model_names_its_neighbours():
    with stage() as s, pytest.raises(NotFoundError, match="did you mean opus"):
        s.claude.ask("q", model="opuss")


def test_a_broken_stream_keeps_what_arrived_and_can_be_resumed():
    with stage([Script(text="Half of it", cut=900), Script(text=" and the rest.")]) as s:
        with pytest.raises(APIConnectionError, match="resume"):
            s.claude.ask("q")
        kept = s.claude.last
        assert kept.text and not kept.complete and kept.estimated
        s.claude.resume()
        assert texts(s.bodies[1]["messages"])[1] == ("assistant", kept.text)


def test_stop_keeps_the_partial_answer_and_a_valid_history():
    with stage([Script(text=["Begin ", Wait(30), "never"]), Script(text="next")]) as s:
        s.view.at_part = lambda part: s.stops[0].request() if "Begin" in str(part) else None
        with pytest.raises(StoppedError):
            s.claude.ask("q")
        assert s.claude.last.text == "Begin " and s.claude.last.stop_reason == "stopped"
        assert s.claude.last.estimated
        s.claude.ask("next question")
        assert [m["role"] for m in s.bodies[1]["messages"]] == ["user", "assistant", "user"]
    assert not [t for t in threading.enumerate() if t.name == "claude-wire"]


def test_tools_are_called_and_their_results_sent_back():
    def add(x: int, y: int) -> int:
        """Add two numbers."""
        return x + y

    replies = [Script(calls=[Call("add", {"x": 1, "y": 2}), Call("add", {"x": "no", "y": 2})]), "Three."]
    with stage(replies) as s:
        answer = s.claude.ask("add them", tool=add)
        assert answer.text == "Three."
        assert (answer.tools[0]["result"], answer.tools[0]["error"]) == ("3", False)
        assert answer.tools[1]["error"]
        results = s.bodies[1]["messages"][-1]["content"]
        assert [r["type"] for r in results] == ["tool_result", "tool_result"]
        assert len(s.claude.turns) == 1 and answer.usage.output > 0


def test_a_dict_tool_is_answered_by_hand():
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}
    with stage([Script(calls=[Call("look", {}, id="toolu_1")]), "Seen."]) as s:
        answer = s.claude.ask("look", tool=tool)
        assert answer.stop_reason == "tool_use" and answer.tools[0]["name"] == "look"
        assert s.claude.ask(tool_results={"toolu_1": "a cat"}, tool=tool).text == "Seen."
        with pytest.raises(UsageError, match="no tool call with this id is waiting"):
            s.claude.ask(tool_results={"toolu_9": "x"}, tool=tool)


def test_stream_gives_the_text_as_it_arrives_and_the_answer_at_the_end():
    with stage(Script(text=["Hel", "lo"])) as s:
        with s.claude.stream("q") as stream:
            assert "".join(stream) == stream.text == "Hello"
        assert stream.answer.complete and s.claude.last is stream.answer


async def test_async_questions_run_at_once_and_stand_in_the_order_asked():
    import asyncio

    def reply(body):
        slow = "slow" in str(body["messages"][-1])
        return Script(text=["a", Wait(0.4 if slow else 0.0), "b"])

    with stage(reply) as s:
        one, two = await asyncio.gather(s.claude.aask("slow"), s.claude.aask("fast"))
        assert one.text == two.text == "ab"
        assert [t.prompt for t in s.claude.turns] == ["slow", "fast"]
        assert [t async for t in s.claude.astream("fast")]


def test_every_request_is_a_row():
    with stage(["one", Script(status=400, error="bad")]) as s:
        s.claude.ask("q")
        with pytest.raises(Exception, match="bad"):
            s.claude.ask("q")
        from claude_jupyter.costs.ledger.calls import Where

        rows = list(s.ledger.rows(Where()))
        assert [(r["complete"], r["stop_reason"]) for r in rows] == [(1, "end_turn"), (0, "error 400")]
        assert Decimal(rows[0]["cost_usd"]) == s.claude.cost


def test_caching_marks_the_last_two_questions():
    with stage(["1", "2", "3"]) as s:
        for q in "abc":
            s.claude.ask(q)
        marked = [i for i, m in enumerate(s.bodies[2]["messages"]) if "cache_control" in m["content"][-1]]
        assert marked == [2, 4]
        s.settings.cache = "off"
        s.claude.ask("d")
        assert "cache_control" not in str(s.bodies[3])


def test_an_empty_question_and_a_wrong_option_are_refused_before_anything_is_sent():
    with stage() as s:
        with pytest.raises(UsageError, match="empty"):
            s.claude.ask("  ")
        for wrong in (3, b"q", ["q"]):
            with pytest.raises(UsageError, match="must be text, not"):
                s.claude.ask(wrong)
            with pytest.raises(UsageError, match="must be text, not"):
                s.claude.map(["a"], wrong)
            with pytest.raises(UsageError, match="is not a chat name"):
                s.claude.chat(wrong)
        with pytest.raises(UsageError, match="effort"):
            s.claude.ask("q", efort="low")
        with pytest.raises(UsageError, match="temperature"):
            s.claude.ask("q", temperature=0.5)
        with pytest.raises(UsageError, match="no longer supports top_k"):
            s.claude.ask("q", param={"top_k": 5})
        assert not s.bodies


def test_the_system_prompt_assigned_last_counts_whether_in_a_cell_or_in_python(tmp_path):
    with stage() as s:
        s.settings.system = ""
        claude = s.claude
        claude.ask("a", system="Pirate.")
        assert claude.system == "Pirate."
        claude.system = "Be brief."
        claude.ask("b")
        claude.save(tmp_path / "c.json")
        claude.ask("c", system="Verbose.")
        claude.ask("d")
        claude.system = None
        claude.ask("e")
        said = [body.get("system", [{"text": ""}])[0]["text"] for body in s.bodies]
        assert said == ["Pirate.", "Be brief.", "Verbose.", "Verbose.", ""]
        assert type(claude).load(tmp_path / "c.json", env=s.env).system == "Be brief."


def test_turns_and_answers_are_one_line_each_in_a_list():
    with stage(["An answer of some length. " * 10]) as s:
        answer = s.claude.ask("Why is  that\nso? " + "And why? " * 20)
        assert repr(answer).startswith("<Answer 1: 'An answer of some length. An") and len(repr(answer)) < 140
        assert repr(s.claude.turns[0]).startswith("<Turn 1: 'Why is that so? And why?")
        assert len(repr(s.claude.turns[0])) < 140


def test_the_model_is_the_one_in_force():
    with stage() as s:
        assert s.claude.model == s.settings.model
        s.claude.model = "claude-opus-5-5"
        assert s.claude.ask("a").model == s.claude.model == "claude-opus-5-5"
        s.claude.model = None
        assert s.claude.model == s.settings.model
        with pytest.raises(UsageError, match="model"):
            s.claude.model = 3


def test_models_that_still_sample_take_its_parameters():
    with stage() as s:
        s.claude.ask("q", model="claude-haiku-4-5", param={"top_k": 5}, temperature=0.5)
        assert (s.bodies[0]["top_k"], s.bodies[0]["temperature"]) == (5, 0.5)


def test_a_parameter_that_the_sdk_does_not_know_goes_to_the_service_which_says_what_it_thinks():
    with stage() as s:
        with pytest.raises(ClaudeError, match="later_than_this_sdk: Extra inputs"):
            s.claude.ask("q", param={"later_than_this_sdk": {"a": 1}})
        assert s.bodies[0]["later_than_this_sdk"] == {"a": 1}


@pytest.mark.parametrize("option", ["background", "dry_run", "code", "new", "once", "web"])
def test_no_option_is_taken_that_would_be_without_effect(option):
    with stage(Script(text="word " * 100)) as s:
        s.claude.ask("q", max_tokens=20)
        with pytest.raises(UsageError, match=f"compact does not accept {option}"):
            s.claude.compact(**{option: True})
        if option in ("new", "once"):
            with pytest.raises(UsageError, match=f"resume does not accept {option}"):
                s.claude.resume(**{option: True})
        if option in ("background", "code"):
            with pytest.raises(UsageError, match=f"count does not accept {option}"):
                s.claude.count("q", **{option: True})
        assert s.claude.count("q", dry_run=True).tokens and len(s.bodies) == 1


def test_resume_and_compact_take_the_chat_they_are_for():
    with stage(Script(text="word " * 100)) as s:
        s.claude.ask("q", chat="side", max_tokens=20)
        s.claude.resume(chat="side", max_tokens=30)
        assert len(s.claude.chat("side").turns) == 2 and not s.claude.turns
        s.claude.compact(chat="side")
        assert len(s.claude.chat("side").messages) == 2


def test_a_request_is_made_once(monkeypatch):
    made = []

    def counted(*given):
        made.append(given)
        return build(*given)

    for module in (preparing, asking):
        monkeypatch.setattr(module, "build", counted)
    with stage("Fine.") as s:
        s.claude.ask("one")
        s.claude.ask("two", dry_run=True)
        s.claude.count("three")
        list(s.claude.stream("four"))
        assert len(made) == 4 and len(s.bodies) == 2


def test_clearing_an_empty_chat_is_no_change():
    with stage() as s:
        s.claude.clear()
        with pytest.raises(UsageError, match="nothing to undo"):
            s.claude.undo()


def test_a_question_paid_for_before_is_hinted_at_once():
    with stage(["1", "2", "3"]) as s:
        answers = [s.claude.ask("same", new=True) for _ in range(3)]
        said = ["Asked before" in str(a.blocks) for a in answers]
        assert said == [False, True, False]


def test_no_hint_at_recordings_where_they_are_on(tmp_path):
    with stage(["1", "2"]) as s:
        s.env.settings.replay, s.env.settings.replay_dir = "auto", str(tmp_path / "recordings")
        s.claude.ask("same", once=True)
        assert "Asked before" not in str(s.claude.ask("same", once=True, no_replay=True).blocks)


@pytest.mark.parametrize(
    "other",
    [
        {"effort": "low"},
        {"returns": int},
        {"thinking": "hide"},
        {"stop": "x"},
        {"param": {"metadata": {}}},
        {"web": True},
    ],
)
def test_a_question_asked_in_another_manner_is_another_question(other):
    with stage(['{"value": 1}']) as s:
        s.claude.ask("same", once=True)
        assert "Asked before" not in str(s.claude.ask("same", once=True, **other).blocks)
        assert "Asked before" in str(s.claude.ask("same", once=True, max_tokens=900).blocks)


def test_thinking_is_bound_to_tools_of_param_too():
    with stage(Script(thinking="Hm.", text="Fine.")) as s:
        s.claude.ask("a")
        tool = {"name": "t", "input_schema": {"type": "object", "properties": {}}}
        s.claude.ask("d", param={"tools": [tool]})
        s.claude.ask("e")  # the strict server would refuse thinking that other tools stood before
        assert len(s.bodies) == 3


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda c: c.ask(pd.DataFrame({"a": [1]}), "What is odd?"), "the question comes first"),
        (lambda c: c.ask(3), "the question comes first and must be text, not int"),
        (lambda c: c.count(["q"]), "the question comes first"),
        (lambda c: c.stream(b"q"), "the question comes first"),
        (lambda c: c.map("What is {a}?", pd.DataFrame({"a": [1]})), "the prompt must be text"),
        (lambda c: c.map([1], "x", limit="many"), "limit is how many"),
        (lambda c: c.ask(tool_results=["x"]), "tool_results must be a dict"),
        (lambda c: c.chat(3), "3 is not a chat name"),
        (lambda c: c.fork(None), "None is not a chat name"),
        (lambda c: c.fork("  "), "is not a chat name"),
        (lambda c: c.hide("1"), "a turn is a number from 1 to 1, not '1'"),
        (lambda c: c.hide(True), "a turn is a number"),
        (lambda c: c.hide(2), "there is no turn 2: this chat has 1"),
        (lambda c: c.undo("x"), "there is 1 change to undo, not x"),
        (lambda c: c.save(3), "a path must be a string or a Path, not '3'"),
        (lambda c: c.export(None), "a path must be a string or a Path"),
        (lambda c: Conversation.load(3), "a path must be a string or a Path"),
    ],
)
def test_a_slip_in_an_argument_is_one_clear_line(ask, says):
    with stage() as s:
        s.claude.ask("q")
        with pytest.raises(UsageError, match=says):
            ask(s.claude)
        assert len(s.bodies) == 1 and len(s.claude.turns) == 1 and not s.claude.turns[0].hidden


def test_hide_takes_numbers_and_turns():
    with stage(["1", "2", "3", "4"]) as s:
        for prompt in "abc":
            s.claude.ask(prompt)
        s.claude.hide(s.claude.turns[1])
        assert [t.hidden for t in s.claude.turns] == [False, True, False]
        s.claude.hide([1, s.claude.turns[1]])
        assert [t.hidden for t in s.claude.turns] == [True, False, False]
        s.claude.hide(range(2, 4)).hide(-3)
        assert [t.hidden for t in s.claude.turns] == [False, True, True]
