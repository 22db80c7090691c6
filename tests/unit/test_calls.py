"""Tools: what Claude calls is run, whatever it does, and Claude is told; the user's cell goes on."""

from __future__ import annotations

import dataclasses
import threading
import time

import pandas
import pydantic
import pytest
from support.world import stage

from claude_jupyter.answer.model import Put
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.tools.toolbox import Tool, Toolbox
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.errors import StoppedError, UsageError


class Where(pydantic.BaseModel):
    """A place and for how long."""

    city: str
    days: int = 1


LOOK = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}


def results(s, at=-1):
    return [b for b in s.bodies[at]["messages"][-1]["content"] if b["type"] == "tool_result"]


def text(result):
    return result["content"] if isinstance(result["content"], str) else result["content"][0]["text"]


def once(function, **arguments):
    """What Claude is told when it calls this function."""
    with stage([Script(calls=[Call(function.__name__, arguments)]), "Done."]) as s:
        answer = s.claude.ask("go", tool=function)
        assert answer.complete and answer.text == "Done."
        (result,) = results(s)
        return result, answer


def test_a_hundred_megabytes_are_cut():
    def huge() -> str:
        """Much."""
        return "x" * 100_000_000

    result, answer = once(huge)
    assert len(text(result)) < 110_000 and "characters left out; ask for less" in text(result)
    assert len(answer.tools[0]["result"]) < 110_000


def test_a_huge_list_is_short():
    def numbers() -> list[int]:
        """Many."""
        return list(range(3_000_000))

    result, _ = once(numbers)
    assert len(str(result)) < 200_000


@pytest.mark.parametrize("error", [SystemExit("bye"), ValueError("no"), RecursionError(), GeneratorExit()])
def test_whatever_a_tool_raises_goes_to_claude(error):
    def fails() -> str:
        """Fail."""
        raise error

    result, answer = once(fails)
    assert result["is_error"] and type(error).__name__ in text(result)
    assert answer.tools[0]["error"]


def test_an_error_whose_own_words_fail():
    class OddError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def fails() -> str:
        """Fail."""
        raise OddError

    assert "OddError" in text(once(fails)[0])


def test_a_result_that_cannot_be_shown_is_an_error_for_claude():
    class Odd:
        def __repr__(self):
            raise RuntimeError("no words")

        def _ai_repr_(self):
            raise RuntimeError("none at all")

    def odd() -> object:
        """Odd."""
        return Odd()

    result, answer = once(odd)
    assert text(result) and answer.complete


def test_secrets_in_what_a_tool_says_are_redacted():
    def tell() -> str:
        """Tell."""
        return "the key is hunter2-hunter2"

    with stage([Script(calls=[Call("tell", {})]), "Done."]) as s:
        s.env.redact = lambda t: (t.replace("hunter2-hunter2", "[redacted KEY]"), ("KEY",))
        s.claude.ask("go", tool=tell)
        assert "hunter2" not in str(s.bodies) and "[redacted KEY]" in text(results(s)[0])


def test_async_tools_tables_and_models_as_parameters():
    async def weather(where: Where) -> pandas.DataFrame:
        """The weather.

        Args:
            where: The place.
        """
        assert isinstance(where, Where)
        return pandas.DataFrame({"city": [where.city], "rain": [1.5]})

    result, _ = once(weather, where={"city": "Bern"})
    assert "Bern" in str(result) and "rain" in str(result)


def test_a_tool_that_never_returns_is_left_when_stopped_elsewhere_than_on_the_main_thread():
    forever = threading.Event()

    def hangs() -> str:
        """Hang."""
        forever.wait(60)
        return "late"

    with stage([Script(text="I call.", calls=[Call("hangs", {})]), "next"]) as s:
        caught = []

        def work():
            try:
                s.claude.ask("go", tool=hangs)
            except StoppedError as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + 60
        while not any(isinstance(p, Put) and p.data.get("input") is not None for p in s.view.parts):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        s.stops[0].request()
        thread.join(50)  # the tool itself would take a minute
        assert not thread.is_alive() and caught
        forever.set()
        s.claude.ask("next")


def test_two_tools_of_one_name_are_refused_and_one_given_twice_is_one():
    def look() -> str:
        """Look."""
        return "a cat"

    with stage(["Fine.", "Fine."]) as s:
        with pytest.raises(UsageError, match="two tools are called look"):
            s.claude.ask("q", tool=[look, LOOK])
        s.claude.tool(look)
        s.claude.ask("q", tool=[look, look])
        assert [t["name"] for t in s.bodies[0]["tools"]] == ["look"]
        with pytest.raises(UsageError, match="web_search"):
            s.claude.ask("q", web=True, tool={**LOOK, "name": "web_search"})


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ({"name": "x"}, "needs name and input_schema"),
        ({**LOOK, "name": "a b"}, "is not a tool name"),
        ({**LOOK, "name": "x" * 129}, "is not a tool name"),
        ({**LOOK, "input_schema": {}}, "object"),
        ({**LOOK, "input_schema": "object"}, "object"),
        ({**LOOK, "input_schema": {"type": "object", "properties": {"a": {1, 2}}}}, "is not JSON"),
        (5, "a function or a dict"),
        (lambda x: x, "is not a tool name"),
    ],
)
def test_a_tool_that_cannot_be_is_one_clear_line(tool, told):
    with stage() as s:
        with pytest.raises(UsageError, match=told) as caught:
            s.claude.ask("q", tool=tool)
        assert "\n" not in str(caught.value) and not s.bodies


def test_a_parameter_without_a_schema():
    class Thing:
        pass

    def take(thing: Thing) -> str:
        """Take."""
        return ""

    with pytest.raises(UsageError, match="take cannot be a tool"):
        Tool.of(take)


def test_rows_that_a_tool_returned_count_as_rows_of_the_chat():
    def table() -> object:
        """A table."""
        return pandas.DataFrame({"secret": [41, 42]})

    with stage([Script(calls=[Call("table", {})]), "Seen.", "Yes."]) as s:
        answer = s.claude.ask("go", tool=table)
        assert [a.label for a in answer.attachments] == ["table"]
        with pytest.raises(UsageError, match="contain rows"):
            s.claude.ask("and?", rows="none")


def test_asking_first():
    said = iter([True, False, None])

    def delete() -> str:
        """Delete."""
        return "deleted"

    asked = []
    tool = dataclasses.replace(Tool.of(delete), confirm=True)
    box = Toolbox([tool], confirm=lambda q: asked.append(q) or next(said))
    calls = [{"type": "tool_use", "id": str(i), "name": "delete", "input": {}} for i in range(3)]
    told = [r.outcome.text for r in box.run(calls, Stop())]
    assert told[:2] == ["deleted", "The user did not allow this call."]
    assert told[2].startswith("Nobody could approve it: ")
    assert asked[0] == "Claude wants to call delete(). Allow it?"


def test_an_answer_that_calls_a_dict_tool_says_how_to_give_its_result():
    with stage([Script(calls=[Call("look", {}, id="t1")]), "Seen."]) as s:
        answer = s.claude.ask("look", tool=LOOK)
        assert answer.complete and answer.blocks[-1]["type"] == "notice"
        assert 'Claude called look. Run it and pass the result: claude.ask(tool_results={"t1": …})' in str(
            answer.blocks
        )
        assert not any(b["type"] == "notice" for b in s.claude.ask(tool_results={"t1": "a cat"}).blocks)


def test_an_answer_without_a_word_says_so():
    with stage([Script(), "Fine."]) as s:
        assert "The answer is empty" in str(s.claude.ask("anything else?").blocks)
        assert not any(b["type"] == "notice" for b in s.claude.ask("hello").blocks)


def test_claude_is_told_which_argument_did_not_fit():
    def add(number: int) -> str:
        """Add one."""
        return str(number + 1)

    with stage([Script(calls=[Call("add", {"number": "many"})]), "Sorry."]) as s:
        s.claude.ask("add", tool=add)
        (result,) = results(s)
        assert (
            "number" in text(result)
            and "valid integer" in text(result)
            and "pydantic.dev" not in text(result)
        )


def test_results_by_hand_need_not_repeat_the_tool_and_keep_the_thinking():
    with stage([Script(thinking="Hm.", calls=[Call("look", {}, id="t1")]), "Seen."]) as s:
        s.claude.ask("look", tool=LOOK)
        assert s.claude.ask(tool_results={"t1": {"cat": 1}}).text == "Seen."
        assert s.bodies[1]["tools"] and s.bodies[1]["messages"][1]["content"][0]["type"] == "thinking"
        assert "cat" in text(results(s)[0])


def test_python_functions_beside_calls_by_hand_are_run():
    ran = []

    def count(n: int) -> str:
        """Count."""
        ran.append(n)
        return f"{n} counted"

    calls = [Call("count", {"n": 3}, id="t1"), Call("look", {}, id="t2")]
    with stage([Script(calls=calls), "Both."]) as s:
        answer = s.claude.ask("go", tool=[count, LOOK])
        assert [t["result"] for t in answer.tools] == ["3 counted", None]
        assert s.claude.ask(tool_results={"t2": "a cat"}).text == "Both."
        assert [text(r) for r in results(s)] == ["3 counted", "a cat"] and ran == [3]


def test_results_for_nothing_are_refused():
    with stage(["Fine."]) as s:
        with pytest.raises(UsageError, match="no tool call is waiting"):
            s.claude.ask(tool_results={})
        assert not s.bodies


def test_rounds_are_capped():
    def more() -> str:
        """More."""
        return "more"

    with stage(Script(calls=[Call("more", {})])) as s:
        s.settings.max_tool_rounds = 2
        answer = s.claude.ask("go", tool=more)
        assert len(s.bodies) == 3 and "max_tool_rounds" in str(answer.blocks[-1])
        s.claude.ask("and now?")
        assert results(s, 3)[0]["is_error"]
