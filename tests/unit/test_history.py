"""Where turns stand and what of them is sent: pure functions on tuples."""

from __future__ import annotations

import pytest

from claude_jupyter.conversation import history
from claude_jupyter.turns import Answer, Place, Turn


def turn(name, *, cell=None, execution=None, number=0, content=None, user=None, **more):
    messages = (
        {"role": "user", "content": user or [{"type": "text", "text": f"question {name}"}]},
        {"role": "assistant", "content": content or [{"type": "text", "text": name}]},
    )
    answer = Answer(id=name, turn=number, complete=True)
    return history.sealed(
        Turn(messages=messages, answer=answer, cell=cell, execution=execution, prompt=name, **more)
    )


def names(turns):
    return "".join(t.answer.id for t in turns)


A = turn("a", cell="A", execution="1", number=1)
B = turn("b", cell="B", execution="2", number=2)
C = turn("c", cell="C", execution="3", number=3)


def test_a_cell_that_runs_again_asks_with_the_turns_before_it():
    turns = (A, B, C)
    assert names(history.before(turns, Place("B", "9"))) == "a"
    assert names(history.before(turns, Place("D", "9"))) == "abc"
    assert names(history.before(turns, Place(None, "9"))) == "abc"


def test_questions_of_one_execution_follow_each_other():
    again = turn("x", cell="A", execution="9", number=4)
    turns = history.placed((A, B, C), again)
    assert names(turns) == "xbc"
    assert names(history.before(turns, Place("A", "9"))) == "x"
    turns = history.placed(turns, turn("y", cell="A", execution="9", number=5))
    assert names(turns) == "xybc"
    assert names(history.placed(turns, turn("z", cell="A", execution="10", number=6))) == "zbc"


def test_replaced_counts_what_a_new_answer_takes_away():
    loop = (A, turn("y", cell="A", execution="1", number=2), B)
    assert history.replaced(loop, turn("z", cell="A", execution="5", number=9)) == 2
    assert history.replaced(loop, turn("z", cell="A", execution="1", number=9)) == 0


@pytest.mark.parametrize("cells", [("A", "A", "A"), (None, None, None), ("A", "B", "C")])
def test_answers_that_finish_in_another_order_stand_as_they_were_asked(cells):
    asked = [
        turn(n, cell=c, execution="1", number=i) for i, (n, c) in enumerate(zip("xyz", cells, strict=True))
    ]
    turns = ()
    for i in (2, 0, 1):
        turns = history.placed(turns, asked[i])
    assert names(turns) == "xyz"


def test_a_late_answer_stands_before_cells_first_asked_after_it_even_if_they_ran_again():
    # C was under way in the background when B, which is older, ran again and was done first.
    turns = history.placed((A, B), turn("x", cell="B", execution="4", number=4))
    assert names(history.placed(turns, C)) == "axc"
    turns = history.placed(turns, turn("d", cell="D", execution="5", number=5))
    turns = history.placed(turns, turn("y", cell="A", execution="6", number=6))
    assert names(history.placed(turns, C)) == "yxcd"


def test_an_answer_that_a_later_execution_of_its_cell_has_overtaken():
    newer = turn("x", cell="A", execution="9", number=4)
    late = turn("y", cell="A", execution="8", number=3)
    assert history.overtaken((newer, B), late) and not history.overtaken((A, B), newer)
    assert not history.overtaken((newer,), turn("z", cell="A", execution="9", number=3))
    assert not history.overtaken((newer,), turn("z", cell=None, execution="8", number=3))


def test_run_all_twice_gives_the_same_order():
    turns = (A, B, C)
    for n, (old, new) in enumerate(zip((A, B, C), "xyz", strict=True)):
        turns = history.placed(turns, turn(new, cell=old.cell, execution=f"2{n}", number=10 + n))
    assert names(turns) == "xyz"


def test_hidden_turns_and_those_before_a_fresh_start_are_not_sent():
    fresh = turn("f", starts=True)
    assert names(history.live((A, fresh, B))) == "fb"
    hidden = turn("h", hidden=True)
    assert names(history.live((A, hidden, B))) == "ab"
    assert names(history.live((A, turn("f", starts=True, hidden=True), B))) == "b"


def test_the_last_system_prompt_that_a_turn_set_holds():
    turns = (A, turn("s", system="Be brief."), B)
    assert history.system_at(turns, history.System("default")) == "Be brief."
    assert history.system_at(turns[:1], history.System("default")) == "default"
    assert history.system_at((turn("s", system=""),), history.System("default")) == ""


THOUGHT = [
    {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
    {"type": "text", "text": "Answer."},
]


def thoughtful(name, *before):
    return turn(name, content=THOUGHT, prefix=history.sent(before, "", []).prefix)


def has_thinking(sent):
    return [any(b["type"] == "thinking" for b in m["content"]) for m in sent.messages[1::2]]


def test_thinking_stays_while_nothing_before_it_changes():
    one = thoughtful("1")
    two = thoughtful("2", one)
    sent = history.sent((one, two), "", [])
    assert has_thinking(sent) == [True, True] and sent.stripped == 0
    assert sent.messages[1] is one.messages[1]


def test_thinking_goes_where_something_before_it_changed():
    one = thoughtful("1")
    two = thoughtful("2", one)
    assert has_thinking(history.sent((two,), "", [])) == [False]
    assert has_thinking(history.sent((one, two), "New system.", [])) == [False, False]
    assert has_thinking(history.sent((one, two), "", [{"name": "t"}])) == [False, False]


def test_thinking_that_was_left_out_once_stays_out():
    one = thoughtful("1")
    changed = "New system."
    three = turn("3", content=THOUGHT, prefix=history.sent((one,), changed, []).prefix)
    assert has_thinking(history.sent((one, three), changed, [])) == [False, True]
    # Back at the old prompt the first fits again, but what came after was made without it.
    assert has_thinking(history.sent((one, three), "", [])) == [True, False]


CALL = [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]
RESULT = [{"type": "tool_result", "tool_use_id": "t1", "content": "a cat"}]


def test_calls_and_results_that_an_edit_parted_are_paired_again():
    open_, answered, after = turn("o", content=CALL), turn("r", user=RESULT), turn("p")
    whole = history.sent((open_, answered, after), "", [])
    assert [m["content"] for m in whole.messages[1:3]] == [CALL, RESULT]
    parted = history.sent((open_, after), "", [])
    first = parted.messages[2]["content"][0]
    assert first["type"] == "tool_result" and first["tool_use_id"] == "t1" and first["is_error"]
    stray = history.sent((answered, after), "", [])
    assert [b["type"] for b in stray.messages[0]["content"]] == ["text"]


def test_a_turn_that_was_paired_again_loses_its_thinking_too():
    open_ = turn("o", content=CALL)
    answered = turn("r", user=RESULT, content=THOUGHT, prefix=history.sent((open_,), "", []).prefix)
    assert has_thinking(history.sent((open_, answered), "", [])) == [False, True]
    assert has_thinking(history.sent((answered,), "", [])) == [False]


def test_an_answer_of_nothing_but_thinking_is_never_empty():
    (only,) = history.without_thinking([{"role": "assistant", "content": THOUGHT[:1]}])
    assert only["content"] == [{"type": "text", "text": "(no text)"}]
