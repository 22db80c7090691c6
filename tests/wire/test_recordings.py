"""Every recorded stream, played to a real kernel, becomes the message that the SDK itself makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import recordings
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import environment
from support.raw_server import Play, RawServer

ASK = """
import json
from claude_jupyter.client.events import Request
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.settings import Settings

def ask():
    params = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "recorded"}]}
    *_, reply = Service(Settings()).send(Request(params), Stop())
    print(json.dumps({"message": dict(reply.message), "complete": reply.complete, "error": reply.error and str(reply.error)}))
"""
COMPARED = (
    "id",
    "type",
    "role",
    "model",
    "content",
    "stop_reason",
    "stop_sequence",
    "stop_details",
    "usage",
    "container",
)
ODD = {recordings.BROKEN, recordings.UNFINISHED, recordings.SPLICED}


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, _module_server: RawServer) -> Iterator[Kernel]:
    """A kernel that asks without magics: the wire alone."""
    with running_kernel(tmp_path_factory.mktemp("asking"), environment(_module_server.url), ASK) as kernel:
        yield kernel


def heard(kernel: Kernel) -> dict[str, Any]:
    done = kernel.run("ask()")
    assert done.ok, done.error
    told = json.loads(done.stdout)
    assert told["complete"], told["error"]
    return recordings.plain(told["message"])


def compared(message: dict[str, Any]) -> dict[str, Any]:
    return {name: message[name] for name in COMPARED if name in message}


@pytest.mark.parametrize("name", [n for n in recordings.NAMES if n not in ODD])
def test_ours_is_what_the_sdk_accumulates(name: str, asking: Kernel, server: RawServer):
    server.reset(Play(recordings.events(name)))
    wanted = recordings.by_the_sdk(server, beta=recordings.is_beta(name))
    assert compared(heard(asking)) == compared(wanted)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunk_borders_do_not_matter(size: int, asking: Kernel, server: RawServer):
    name = "anthropic-sdk-python/server_tool_use_response.txt"
    whole = b"".join(recordings.events(name))
    server.reset(Play(recordings.events(name)))
    wanted = recordings.by_the_sdk(server)
    server.reset(Play([whole[i : i + size] for i in range(0, len(whole), size)]))
    assert compared(heard(asking)) == compared(wanted)


def test_an_unfinished_tool_call_is_left_out(asking: Kernel, server: RawServer):
    server.reset(Play(recordings.events(recordings.UNFINISHED)))
    wanted = recordings.by_the_sdk(server)
    assert wanted["content"][-1]["type"] == "tool_use"
    del wanted["content"][-1]
    assert compared(heard(asking)) == compared(wanted)


def test_a_stream_that_begins_again_is_the_second_one(asking: Kernel, server: RawServer):
    server.reset(Play(recordings.events(recordings.SPLICED)))
    assert [block.get("id") for block in heard(asking)["content"]] == [None, "toolu_second"]


def test_arguments_that_cannot_be_parsed_stay_visible(asking: Kernel, server: RawServer):
    server.reset(Play(recordings.events(recordings.BROKEN)))
    text, call = heard(asking)["content"]
    assert text["text"].startswith("I'll check the current weather")
    assert call["input"] == {} and call["invalid_input"]


def test_licences_are_named():
    readme = (recordings.FOLDER / "README.md").read_text()
    folders = {path.name for path in recordings.FOLDER.iterdir() if path.is_dir()}
    assert all(f"{folder}/" in readme for folder in folders)
    assert all(Path(name.split("#")[0]).as_posix() in readme for name in recordings.NAMES)
