"""The demo server refuses what the service refuses, so that a request which passes our tests is likely to pass there."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest

from claude_jupyter.demo.oracle import request_rules
from claude_jupyter.demo.oracle.image_rules import measure
from claude_jupyter.demo.oracle.refusal import Refused

HEADERS = {"authorization": "Bearer sk-test", "anthropic-version": "2026-10-21"}
OLD = {**HEADERS, "anthropic-version": "2023-06-01"}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}


def request(*contents: Any, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[k % 2], "content": c} for k, c in enumerate(contents or ("hi",))]
    return {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": messages, **more}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def png(width: int = 4, height: int = 3) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")


def image(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    coded = base64.b64encode(data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": coded}}


def refusal(body: Any, headers: dict[str, str] = HEADERS, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        request_rules.check(body, headers, **more)
    return caught.value


MARK = {"type": "ephemeral"}
ACCEPTED: dict[str, dict[str, Any]] = {
    "a plain question": request(),
    "two user messages in a row merge": request()
    | {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    "a tool's round": request("hi", [CALL], [RESULT], tools=[TOOL]),
    "words after the results": request("hi", [CALL], [RESULT, text("go on")], tools=[TOOL]),
    "thinking between tools": request(thinking={"type": "between_tools"}),
    "no thinking, low effort": request(
        model="claude-haiku-5-5", thinking={"type": "disabled"}, output_config={"effort": "low"}
    ),
    "a forced tool where it may be": request(
        model="claude-haiku-5-5", tools=[TOOL], tool_choice={"type": "tool", "name": "f"}
    ),
    "four markers": request([text(w, cache_control=MARK) for w in "abcd"]),
    "prefill on an old model": request("hi", "The answer is", model="claude-haiku-4-5"),
    "a picture": request([image(png()), text("what is it?")]),
    "the web": request(
        tools=[{"type": "web_search_20260318", "name": "web_search", "allowed_callers": ["direct"]}]
    ),
    "a system message on a newer model": request()
    | {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "user", "content": "c"},
        ]
    },
    "warming the cache": request(max_tokens=0),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_service_takes_is_taken(body: dict[str, Any]) -> None:
    request_rules.check(body, HEADERS)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown parameter": (request(foo=1), "foo: Extra inputs are not permitted"),
    "temperature": (request(temperature=0.5), "temperature: Extra inputs are not permitted"),
    "top_k": (request(top_k=3), "top_k: Extra inputs"),
    "a beta parameter without its header": (
        request(context_management={}),
        "context_management: Extra inputs",
    ),
    "no messages": (request() | {"messages": []}, "at least one message"),
    "an assistant first": (
        request() | {"messages": [{"role": "assistant", "content": "hi"}]},
        "first message",
    ),
    "an unknown role": (request() | {"messages": [{"role": "tool", "content": "hi"}]}, "messages.0.role"),
    "empty text": (request([text("")]), "text content blocks must be non-empty"),
    "blank text": (request([text(" \n")]), "non-whitespace"),
    "an empty message": (request([]), "non-empty content"),
    "prefill": (request("hi", "The answer is"), "prefill"),
    "a call without its result": (
        request("hi", [CALL], "go on"),
        "without `tool_result` blocks immediately after",
    ),
    "words before the results": (request("hi", [CALL], [text("x"), RESULT]), "without `tool_result` blocks"),
    "a result without its call": (request([RESULT]), "unexpected `tool_use_id`"),
    "two results for one call": (request("hi", [CALL], [RESULT, RESULT]), "single result"),
    "a call that ends the request": (request("hi", [CALL]), "prefill"),
    "a picture in an assistant's message": (request("hi", [image(png())], "x"), "not allowed in assistant"),
    "an extra field in a block": (
        request([text("x", label="y")]),
        "messages.0.content.0.text.label: Extra inputs",
    ),
    "thinking the model cannot": (
        request(thinking={"type": "enabled", "budget_tokens": 2000}),
        "thinking.type: `enabled`",
    ),
    "thinking off where it is always on": (
        request(model="claude-opus-5-5", thinking={"type": "disabled"}),
        "`disabled` is not supported",
    ),
    "no thinking at a high effort": (
        request(thinking={"type": "between_tools"}, output_config={"effort": "max"}),
        "not supported with effort max",
    ),
    "an effort the model has not": (
        request(model="claude-sonnet-4-6", output_config={"effort": "xhigh"}),
        "'xhigh' is not supported",
    ),
    "an unknown effort": (request(output_config={"effort": "huge"}), "output_config.effort"),
    "a forced tool": (request(tools=[TOOL], tool_choice={"type": "any"}), "forced tool use"),
    "a choice without tools": (request(tool_choice={"type": "auto"}), "while providing tools"),
    "a tool's odd name": (request(tools=[{**TOOL, "name": "a b"}]), "pattern"),
    "two tools of one name": (request(tools=[TOOL, TOOL]), "unique"),
    "five markers": (request([text(w, cache_control=MARK) for w in "abcde"]), "maximum of 4 blocks"),
    "four markers and the automatic one": (
        request([text(w, cache_control=MARK) for w in "abcd"], cache_control=MARK),
        "Found 5",
    ),
    "an hour after five minutes": (
        request([text("a", cache_control=MARK), text("b", cache_control={"type": "ephemeral", "ttl": "1h"})]),
        "must not come after",
    ),
    "too many tokens": (request(max_tokens=128_001), "128001 > 128000"),
    "an open schema": (
        request(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "additionalProperties",
    ),
    "a picture of another type": (request([image(png(), "image/jpeg")]), "appears to be a image/png"),
    "a picture that is none": (request([image(b"GIF?")]), "Could not process image"),
    "a huge picture": (request([image(png(8001, 10))]), "8000 pixels"),
    "a large picture among many": (
        request([image(png()) for _ in range(20)] + [image(png(2001, 10))]),
        "2000 pixels",
    ),
    "too many pictures": (request([image(png())] * 101, model="claude-haiku-4-5"), "101 > 100"),
    "a stop sequence of blanks": (request(stop_sequences=[" "]), "non-whitespace"),
    "fast mode on Haiku": (request(model="claude-haiku-5-5", speed="fast"), "fast mode"),
    "citations in a user's text": (request([text("x", citations=[{"type": "char_location"}])]), "citations"),
    "a broken PDF": (
        request(
            [
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                }
            ]
        ),
        "PDF specified was not valid",
    ),
    "a prompt over the context": (request("x" * 1_200_000, model="claude-haiku-4-5"), "prompt is too long"),
}


@pytest.mark.parametrize(("body", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_service_refuses_is_refused(body: dict[str, Any], words: str) -> None:
    refused = refusal(body)
    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert words in refused.message


def test_too_large_pictures_are_named_in_the_details() -> None:
    details = refusal(request([text("x"), image(png(9000, 10))])).details
    assert details == {
        "error_code": "image_dimensions_too_large",
        "max_side_length_pixels": 8000,
        "paths": ["messages.0.content.1"],
    }


def test_an_unknown_model_is_not_found() -> None:
    refused = refusal(request(model="claude-opus-9"))
    assert (refused.status, refused.type, refused.message) == (404, "not_found_error", "model: claude-opus-9")


def test_temperature_passes_under_the_old_version_for_old_models_only() -> None:
    request_rules.check(request(model="claude-haiku-4-5", temperature=0.3), OLD)
    assert "deprecated for this model" in refusal(request(temperature=0.3), OLD).message
    assert "between 0 and 1" in refusal(request(model="claude-haiku-4-5", temperature=3), OLD).message


def test_a_count_takes_no_max_tokens() -> None:
    body = request()
    del body["max_tokens"]
    request_rules.check(body, HEADERS, counting=True)
    assert "max_tokens: Extra inputs" in refusal(request(), counting=True).message
    assert refusal(body).message == "max_tokens: Field required"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"anthropic-version": "2026-10-21"}, 401),
        ({"authorization": "Bearer sk-wrong", "anthropic-version": "2026-10-21"}, 401),
        ({"authorization": "Bearer sk-test"}, 400),
        ({"authorization": "Bearer sk-test", "anthropic-version": "1999-01-01"}, 400),
    ],
)
def test_no_key_no_answer(headers: dict[str, str], status: int) -> None:
    with pytest.raises(Refused) as caught:
        request_rules.authenticate(headers)
    assert caught.value.status == status


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_sizes_are_read_from_the_bytes_as_pillow_reads_them(kind: str) -> None:
    from io import BytesIO

    from PIL import Image

    for options in ({}, {"lossless": True}) if kind == "WEBP" else ({},):
        buffer = BytesIO()
        Image.new("RGB", (123, 45), "red").save(buffer, kind, **options)
        assert measure(buffer.getvalue()) == (f"image/{kind.lower()}", 123, 45)
    assert measure(b"\x89PNG\r\n\x1a\n") is None
    assert measure(b"\xff\xd8\xff\xe0\x00\x02") is None
