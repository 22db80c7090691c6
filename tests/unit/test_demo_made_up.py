"""What the demo makes up fits what was asked for: values their schema, chunks their text, signatures their conversation."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle.reply_shape import reply, token_chunks
from claude_jupyter.demo.oracle.signing import Signature, end_of, walk
from claude_jupyter.demo.replies import DemoReplies
from claude_jupyter.demo.sample import Words, fitting
from claude_jupyter.demo.script import Call, Say, Script, Think
from claude_jupyter.demo.sse import message

LEAVES = st.sampled_from(
    [
        {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"},
        {"enum": ["red", "green", 3]}, {"const": 7}, {"type": ["string", "null"]}, {"$ref": "#/$defs/Node"},
        {"type": "string", "format": "date"}, {"type": "string", "format": "email"}, {"type": "string", "format": "uuid"},
    ]
)  # fmt: skip


def _inside(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(st.text("abc_", min_size=1, max_size=3), inner, max_size=3).map(
        lambda fields: {
            "type": "object",
            "properties": fields,
            "required": sorted(fields),
            "additionalProperties": False,
        }
    )
    lists = inner.map(lambda item: {"type": "array", "items": item, "minItems": 1})
    either = st.lists(inner, min_size=1, max_size=2).map(
        lambda options: {"anyOf": [*options, {"type": "null"}]}
    )
    return objects | lists | either


SCHEMAS = st.recursive(LEAVES, _inside, max_leaves=8)
NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}


@given(SCHEMAS, st.text(max_size=60))
def test_a_made_up_value_fits_its_schema(schema: dict[str, Any], prompt: str) -> None:
    whole = {**schema, "$defs": {"Node": NODE}}
    value = fitting(whole, Words(prompt))
    jsonschema.validate(json.loads(json.dumps(value)), whole)
    assert value == fitting(whole, Words(prompt))


@given(st.text(max_size=300))
def test_chunks_lose_nothing_of_a_text(text: str) -> None:
    assert "".join(token_chunks(text)) == text


@given(st.text(max_size=200), st.integers(1, 40))
def test_a_cut_answer_is_a_beginning_of_the_whole(text: str, limit: int) -> None:
    body = {
        "model": "claude-sonnet-5-5",
        "max_tokens": limit,
        "messages": [{"role": "user", "content": "hi"}],
    }
    made = message(reply(Script(text=text), body), Usage(), {})
    said = "".join(block["text"] for block in made["content"])
    assert text.startswith(said)
    assert made["usage"]["output_tokens"] <= limit
    assert (said == text) == (made["stop_reason"] == "end_turn")


def test_blocks_of_one_answer_may_be_sent_back_with_all_their_thinking() -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 500,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "tools": tools,
        "messages": [{"role": "user", "content": "hi"}],
    }
    script = Script(pieces=[Think("a"), Call("f", {"x": 1}), Think("b"), Call("f", {})])
    made = message(reply(script, body), Usage(), {})
    assert [b["type"] for b in made["content"]] == ["thinking", "tool_use", "thinking", "tool_use"]
    body["messages"] += [{"role": "assistant", "content": made["content"]}]
    _, blocks = walk(body)
    assert [problem for _, _, problem in blocks] == [None, None]
    made["content"][1]["input"] = {"x": 2}
    _, blocks = walk(body)
    assert [problem for _, _, problem in blocks] == [None, "prefix"]


@given(st.text(max_size=40))
def test_only_our_own_signatures_are_known(text: str) -> None:
    assert Signature.decode(text) is None
    signed = end_of({"model": "m", "messages": []}).sign(text)
    assert Signature.decode(signed) is not None
    assert Signature.decode(signed[:-4] + "AAAA") is None


def test_the_demo_reads_what_the_package_attaches() -> None:
    import pandas as pd
    from matplotlib.figure import Figure

    from claude_jupyter.content.dataframes import frames
    from claude_jupyter.content.figures import render
    from claude_jupyter.content.rules import Rules
    from claude_jupyter.demo.request_reader import read

    frame = frames.attach(pd.DataFrame({"a b": [1.5, 2.5], "kind": ["x", "y"]}), 'tables["main"]', Rules())
    picture = render.draw(Figure(figsize=(4, 3)), "fig", Rules())
    assert frame is not None
    assert picture is not None
    content = [*picture.blocks, *frame.blocks, {"type": "text", "text": "What is in it?"}]
    seen = read({"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": content}]})
    assert seen.prompt == "What is in it?"
    assert [(f.label, f.library, f.rows, [c.name for c in f.columns]) for f in seen.frames] == [
        ('tables["main"]', "pandas", "2 rows", ["a b", "kind"])
    ]
    (shown,) = seen.media
    assert (shown.label, shown.kind) == ("fig", "image")
    assert picture.size is not None
    assert shown.facts.startswith(f"PNG, {picture.size[0]} × {picture.size[1]} pixels")
    assert not seen.texts


def test_the_prices_in_a_question_are_no_formula_when_it_is_quoted() -> None:
    body = {"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": "Is $5 more than $4?"}]}
    said = "".join(p.text for p in DemoReplies()(body).in_order() if isinstance(p, Say))
    assert r"“Is \$5 more than \$4?”" in said
