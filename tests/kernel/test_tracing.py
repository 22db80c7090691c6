"""OpenTelemetry spans of questions in a real kernel, as the SDK's own in-memory exporter gets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment

from claude_jupyter.demo import server as demo
from claude_jupyter.demo.script import Call, Script, Wait

TRACER = """
import opentelemetry.trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
otel.set_tracer_provider(provider)

def spans():
    found = [
        dict(
            name=s.name, kind=s.kind.name, status=s.status.status_code.name, id=s.context.span_id, trace=s.context.trace_id,
            parent=s.parent.span_id if s.parent else None, attributes=dict(s.attributes), events=len(s.events),
            seconds=(s.end_time - s.start_time) / 1e9,
        )
        for s in exporter.get_finished_spans()
    ]
    exporter.clear()
    return found
"""
SETUP = f"""{LOAD}
{TRACER}
import pandas as pd
sales = pd.DataFrame({{"region": ["North", "South"], "amount": [10, 20]}})

@claude.tool
def lookup(word: str) -> str:
    "Look up a word."
    with otel.get_tracer("mine").start_as_current_span("inside the tool"):
        return f"{{word}} is a secret word"

@claude.tool
async def fails(word: str) -> str:
    "Fail."
    with otel.get_tracer("mine").start_as_current_span("inside a coroutine"):
        raise ValueError(word)
"""


class Traced:
    """A kernel with a tracer, and the model that answers it."""

    def __init__(self, kernel: Kernel, server: demo.DemoServer, replies: list[Any]) -> None:
        self.kernel = kernel
        self.server = server
        self._replies = replies

    def says(self, *replies: Any) -> None:
        self._replies[:] = [Script(text=r) if isinstance(r, str) else r for r in replies]

    def set(self, tracing: str) -> None:
        assert self.kernel.run(f"%config ClaudeMagics.tracing = {tracing!r}").ok

    def spans(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.kernel.value("spans()")
        return found


@pytest.fixture(scope="module")
def _traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    replies: list[Any] = []
    folder = tmp_path_factory.mktemp("traced")
    with demo.start(lambda _body: replies.pop(0)) as server:
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
        with running_kernel(folder, env, SETUP) as kernel:
            yield Traced(kernel, server, replies)


@pytest.fixture
def traced(_traced: Traced) -> Traced:
    assert _traced.kernel.run("claude.clear()").ok
    _traced.set("on")
    _traced.spans()
    return _traced


def one(spans: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [s for s in spans if s["name"].startswith(name)]
    return found


def test_a_question_is_a_span_with_its_request_below(traced: Traced) -> None:
    traced.says("The answer is private.")
    done = traced.kernel.run("%%claude sales\nWhat is hidden in sales?", cell_id="a")
    assert done.ok, done.error
    spans = traced.spans()
    question, request = one(spans, "invoke_agent"), one(spans, "chat")
    assert len(spans) == 2
    assert (question["name"], question["kind"], question["parent"]) == (
        "invoke_agent claude-jupyter",
        "INTERNAL",
        None,
    )
    assert (request["name"], request["kind"], request["parent"]) == (
        "chat claude-sonnet-5-5",
        "CLIENT",
        question["id"],
    )
    usage = traced.kernel.value("dict(i=claude.last.usage.prompt, o=claude.last.usage.output)")
    told = request["attributes"]
    assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.provider.name"] == "anthropic"
    assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "claude-sonnet-5-5"
    assert told["gen_ai.request.max_tokens"] == 16000 and told["gen_ai.request.stream"] is True
    assert told["gen_ai.response.finish_reasons"] in (["end_turn"], ("end_turn",))
    assert told["gen_ai.response.id"] and told["gen_ai.response.time_to_first_chunk"] >= 0
    for span in (question, request):
        attributes = span["attributes"]
        assert attributes["gen_ai.usage.input_tokens"] == usage["i"] > 0
        assert attributes["gen_ai.usage.output_tokens"] == usage["o"] > 0
        assert attributes["gen_ai.usage.cache_write.input_tokens"] >= 0
        assert attributes["claude_jupyter.cost_usd"] == traced.kernel.value("float(claude.last.cost)") > 0
        assert attributes["gen_ai.conversation.id"].endswith("/main")
        assert span["status"] == "UNSET"
    everything = json.dumps(spans)
    assert not any(word in everything for word in ("private", "hidden", "North", "sk-", "test-key"))


def test_content_is_written_only_where_it_is_asked_for(traced: Traced) -> None:
    traced.set("content")
    traced.says(Script(calls=[Call("lookup", {"word": "moon"})]), "It is blue.")
    assert traced.kernel.run("%claude What color is it?").ok
    spans = traced.spans()
    prompts = [s["attributes"]["gen_ai.input.messages"] for s in spans if s["name"].startswith("chat")]
    assert all("What color is it?" in text for text in prompts)
    assert any(part["type"] == "tool_call_response" for m in json.loads(prompts[-1]) for part in m["parts"])
    assert all("gen_ai.system_instructions" in s["attributes"] for s in spans if s["name"].startswith("chat"))
    answers = [
        json.loads(s["attributes"]["gen_ai.output.messages"]) for s in spans if s["name"].startswith("chat")
    ]
    assert any({"type": "text", "content": "It is blue."} in m["parts"] for (m,) in answers)
    tool = one(spans, "execute_tool")["attributes"]
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"word": "moon"}
    assert tool["gen_ai.tool.call.result"] == "moon is a secret word"


def test_tools_are_spans_and_what_they_trace_stands_below(traced: Traced) -> None:
    traced.says(
        Script(calls=[Call("lookup", {"word": "moon"}), Call("fails", {"word": "sun"})]), "Looked up."
    )
    assert traced.kernel.run("%claude Look up.").ok
    spans = traced.spans()
    question = one(spans, "invoke_agent")
    assert len([s for s in spans if s["name"].startswith("chat") and s["parent"] == question["id"]]) == 2
    good, bad = one(spans, "execute_tool lookup"), one(spans, "execute_tool fails")
    assert good["parent"] == bad["parent"] == question["id"]
    assert one(spans, "inside the tool")["parent"] == good["id"]
    assert one(spans, "inside a coroutine")["parent"] == bad["id"]
    assert good["attributes"]["gen_ai.tool.name"] == "lookup" and good["attributes"]["gen_ai.tool.call.id"]
    assert (good["status"], bad["status"]) == ("UNSET", "ERROR")
    assert bad["attributes"]["error.type"] == "tool_error"
    ours = [s for s in spans if not s["name"].startswith("inside")]
    assert all("moon" not in json.dumps(s) and "sun" not in json.dumps(s) for s in ours)


def test_a_stopped_answer_ends_its_spans(traced: Traced) -> None:
    traced.says(Script(text=["One", Wait(30), " two"]))
    cell = traced.kernel.start("%%claude\nCount.", cell_id="b")
    cell.wait_for(lambda said: any("One" in str(m.content) for m in said))
    traced.kernel.interrupt()
    done = cell.finish()
    assert done.error_name == "StoppedError", done.error
    spans = traced.spans()
    for span in (one(spans, "invoke_agent"), one(spans, "chat")):
        assert span["attributes"]["gen_ai.response.finish_reasons"] in (["stopped"], ("stopped",))
        assert span["status"] == "UNSET" and "error.type" not in span["attributes"] and span["seconds"] < 20


def test_a_refused_request_is_an_error_without_its_words(traced: Traced) -> None:
    traced.says(Script(status=400, error="private words in the message"))
    assert not traced.kernel.run("%claude Fail.").ok
    spans = traced.spans()
    for span in (one(spans, "invoke_agent"), one(spans, "chat")):
        assert (span["status"], span["attributes"]["error.type"], span["events"]) == ("ERROR", "400", 0)
    assert "private" not in json.dumps(spans)


def test_streams_and_coroutines_stand_below_the_span_that_asked(traced: Traced) -> None:
    traced.says("A stream.", "A coroutine.", "In the background.")
    code = """
with otel.get_tracer("mine").start_as_current_span("mine"):
    text = "".join(claude.stream("Stream."))
    later = await claude.aask("Coroutine.")
    claude.ask("Background.", background=True)
"""
    done = traced.kernel.run(code)
    assert done.ok, done.error
    traced.kernel.wait_for(
        lambda: traced.kernel.value("claude.last.complete and str(claude.last) == 'In the background.'"),
        20,
        "",
    )
    spans = traced.spans()
    mine = one(spans, "mine")
    questions = [s for s in spans if s["name"].startswith("invoke_agent")]
    assert [s["parent"] for s in questions] == [mine["id"]] * 3
    requests = [s for s in spans if s["name"].startswith("chat")]
    assert {s["parent"] for s in requests} == {s["id"] for s in questions}


def test_the_rows_of_a_map_are_questions_below_the_map(traced: Traced) -> None:
    traced.says("a", "b", "c")
    done = traced.kernel.run("claude.map(['x', 'y', 'z'], 'Say it: {}')")
    assert done.ok, done.error
    spans = traced.spans()
    whole = one(spans, "invoke_workflow map")
    questions = [s for s in spans if s["name"].startswith("invoke_agent")]
    assert [s["parent"] for s in questions] == [whole["id"]] * 3
    assert len([s for s in spans if s["name"].startswith("chat")]) == 3
    assert len({s["trace"] for s in spans}) == 1


def test_a_piece_of_work_is_one_trace_with_its_steps(traced: Traced) -> None:
    def step(title: str, code: str) -> Script:
        return Script(text="Next.", calls=[Call("run_cell", {"title": title, "code": code})])

    traced.says(step("total", "t1 = sales.amount.sum()"), step("bad", "sales['nothing']"), "Done.")
    first = traced.kernel.run("%%claude --do sales\nWork.", cell_id="w")
    assert first.ok, first.error
    source = first.reply["payload"][-1]["text"]
    second = traced.kernel.run(source, cell_id="w1")
    traced.kernel.run(second.reply["payload"][-1]["text"], cell_id="w2")
    spans = traced.spans()
    assert len({s["trace"] for s in spans}) == 1
    (root,) = [s for s in spans if s["parent"] is None]
    questions = [s for s in spans if s["name"].startswith("invoke_agent")]
    assert len(questions) == 3 and [s["parent"] for s in questions if s is not root] == [root["id"]] * 2
    steps = [s for s in spans if s["name"] == "execute_tool run_cell"]
    assert [s["attributes"]["claude_jupyter.approval"] for s in steps] == ["run", "run"]
    assert [s["attributes"].get("error.type") for s in steps] == [None, "KeyError"]
    assert {s["parent"] for s in steps} == {s["id"] for s in questions if s is not root}
    assert "t1" not in json.dumps(spans)


def test_an_answer_from_a_recording_has_no_request(traced: Traced) -> None:
    traced.says("Recorded.")
    assert traced.kernel.run("%config ClaudeMagics.replay = 'auto'\nclaude.ask('Once more?', once=True)").ok
    traced.spans()
    assert traced.kernel.run("claude.ask('Once more?', once=True)\n%config ClaudeMagics.replay = 'off'").ok
    (question,) = traced.spans()
    assert question["attributes"]["claude_jupyter.replayed"] is True
    assert question["attributes"]["claude_jupyter.cost_usd"] == 0


def test_nothing_is_traced_unless_it_is_asked_for(traced: Traced) -> None:
    traced.set("off")
    traced.says("Nothing.")
    assert traced.kernel.run("%claude Ask.").ok
    assert traced.spans() == []


def test_without_a_tracer_a_question_is_answered_all_the_same(tmp_path: Any) -> None:
    with demo.start(lambda _body: Script(text="Yes.")) as server:
        env = environment(
            server.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"), CLAUDE_JUPYTER_TRACING="on"
        )
        hidden = "import sys; sys.modules['opentelemetry'] = None"
        with running_kernel(tmp_path, env, LOAD) as kernel:
            assert kernel.run("%claude Ask.").ok
            assert kernel.run(f"{hidden}\n%claude Ask again.").ok
