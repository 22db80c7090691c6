"""`--mcp`: the tools of real MCP servers in a question, under the rules of everything else, and what a bad server may not do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.world import Stage, stage

from claude_jupyter.client.mcp import connection
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.mcp.servers import Servers
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.errors import McpError
from claude_jupyter.settings import Settings

HERE = Path(__file__).parent
EVERYTHING = str(HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js")
TIME = {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]}
EVERY = {"command": "node", "args": [EVERYTHING, "stdio"]}
ODD = {"command": sys.executable, "args": [str(HERE / "odd_server.py")]}


@contextmanager
def asking(folder: Path, config: Any, *replies: Any) -> Iterator[tuple[Stage, Servers]]:
    """A conversation whose kernel has these servers; the model says what `replies` tell it."""
    with stage(list(replies)) as s:
        s.settings.mcp = config
        servers = Servers(s.settings, folder, data=lambda: folder)
        s.env.mcp = servers
        try:
            yield s, servers
        finally:
            for name in servers.names():
                servers.stop(name)


def result(s: Stage) -> dict[str, Any]:
    """The tool result in the newest request."""
    return next(b for b in s.bodies[-1]["messages"][-1]["content"] if b["type"] == "tool_result")


def text(s: Stage) -> str:
    """Its text."""
    return "\n".join(b["text"] for b in result(s)["content"] if b["type"] == "text")


def test_a_read_only_tool_of_a_server_runs_and_its_result_is_fenced(tmp_path):
    calls = Script(
        calls=[
            Call(
                "time__convert_time",
                {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
            )
        ]
    )
    with asking(tmp_path, {"time": TIME}, calls, "Nine in the evening.") as (s, _):
        answer = s.claude.ask("When is noon in Tokyo?", mcp="time")
        assert [t["name"] for t in s.bodies[0]["tools"]] == ["time__get_current_time", "time__convert_time"]
        assert '<attachment label="time__convert_time"' in text(s)
        assert "T21:00:00+09:00" in text(s)
        assert [a.label for a in answer.attachments] == ["time__convert_time"]
        assert answer.text == "Nine in the evening."


def test_pictures_stay_pictures(tmp_path):
    with asking(tmp_path, {"every": EVERY}, Script(calls=[Call("every__get-tiny-image", {})]), "Tiny.") as (
        s,
        _,
    ):
        s.claude.ask("Show it.", mcp="every")
        kinds = [b["type"] for b in result(s)["content"]]
        assert kinds.count("image") == 1, text(s)
        assert max(len(b["text"]) for b in result(s)["content"] if b["type"] == "text") < 300


def test_a_tool_that_is_not_marked_read_only_asks_first(tmp_path):
    call = Call("every__toggle-simulated-logging", {})
    with asking(tmp_path, {"every": EVERY}, Script(calls=[call]), "Not done.") as (s, _):
        s.claude.ask("Switch it on.", mcp="every")
        assert result(s)["is_error"]
        assert "Nobody could approve it" in text(s)


def test_links_structured_values_and_resources_are_words(tmp_path):
    calls = [
        Call("every__get-resource-links", {"count": 1}, id="t1"),
        Call("every__get-structured-content", {"location": "Chicago"}, id="t2"),
        Call("every__get-resource-reference", {"resourceType": "Text", "resourceId": 1}, id="t3"),
    ]
    with asking(tmp_path, {"every": EVERY}, Script(calls=calls), "Seen.") as (s, _):
        s.claude.ask("What is there?", mcp="every")
        said = json.dumps(s.bodies[-1]["messages"][-1]["content"])
        for word in ("demo://resource/dynamic", "temperature", "This is a plaintext resource"):
            assert word in said


def test_secrets_in_a_result_are_redacted(tmp_path):
    key = "sk-ant-api03-" + "Abc123" * 15
    config = {"every": {**EVERY, "env": {"SOME_SERVICE": key}}}
    with asking(tmp_path, config, Script(calls=[Call("every__get-env", {})]), "Seen.") as (s, _):
        s.env.redact = lambda text: (text.replace(key, "[redacted anthropic-key]"), ("anthropic-key",))
        s.claude.ask("What is set?", mcp="every")
        assert key not in json.dumps(s.bodies[-1])
        assert "[redacted anthropic-key]" in text(s)


def test_the_kernels_own_environment_is_not_handed_to_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-of-the-kernel")
    with asking(tmp_path, {"every": EVERY}, Script(calls=[Call("every__get-env", {})]), "Seen.") as (s, _):
        s.claude.ask("What is set?", mcp="every")
        assert "PATH" in text(s) and "a-key-of-the-kernel" not in text(s)


def test_a_server_over_http(tmp_path):
    with (
        http_server() as url,
        asking(
            tmp_path,
            {"web": {"url": url, "headers": {"X-Team": "${TEAM:-data}"}}},
            Script(calls=[Call("web__echo", {"message": "hi"})]),
            "Heard.",
        ) as (s, _),
    ):
        s.claude.ask("Say hi.", mcp="web")
        assert "Echo: hi" in text(s)


@contextmanager
def http_server() -> Iterator[str]:
    """The reference server over streamable HTTP on a free port."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen(
        ["node", EVERYTHING, "streamableHttp"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if str(port).encode() in line:
                break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("application/json", r"^The MCP server web sent an endless line and was stopped\.$"),
        (
            "text/event-stream",
            r"^The MCP server web ended before it was ready: .* exceeded the \d+ byte limit\.$",
        ),
    ],
)
def test_a_server_over_http_that_never_ends_its_line_is_one_line(tmp_path, kind, says):
    with (
        endless_http_server(kind) as url,
        asking(tmp_path, {"web": {"url": url}}, "Never.") as (s, _),
        pytest.raises(McpError, match=says),
    ):
        s.claude.ask("Go.", mcp="web")


@contextmanager
def endless_http_server(kind: str) -> Iterator[str]:
    """An HTTP server whose every reply is one line without an end."""
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"data: ")
                while True:
                    self.wfile.write(b"x" * 65_536)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/mcp"
        server.shutdown()


def test_under_rows_none_a_table_of_a_server_is_withheld(tmp_path):
    with asking(tmp_path, {"odd": ODD}, Script(calls=[Call("odd__table", {})]), "Nothing.") as (s, _):
        s.claude.ask("What is in it?", mcp="odd", rows="none")
        assert "kanarienvogel" not in json.dumps(s.bodies)
        assert "withheld" in text(s)


def test_a_server_that_floods_with_text_is_cut_and_says_so(tmp_path):
    with asking(tmp_path, {"odd": ODD}, Script(calls=[Call("odd__long", {})]), "Long.") as (s, _):
        s.claude.ask("Read it.", mcp="odd")
        assert len(text(s)) < 50_000
        assert "left out" in text(s)


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        (
            "dies",
            'The MCP server odd has ended; the next question starts it again. Its last output: "out of memory, or so"',
        ),
        ("floods", "The MCP server odd sent too much data and was stopped."),
        ("endless", "The MCP server odd sent an endless line and was stopped."),
        ("vanishes", "The MCP server odd removed its tool vanishes during this question"),
        ("changes", "The MCP server odd changed its tool changes during this question"),
        ("fails", "no such bird"),
    ],
)
def test_a_server_that_goes_wrong_gives_one_clear_line_and_works_in_the_next_question(tmp_path, tool, says):
    again = [Script(calls=[Call(f"odd__{tool}", {})]), "It failed."]
    if tool in ("changes", "vanishes"):  # its first call is what changes it
        again.insert(0, Script(calls=[Call(f"odd__{tool}", {})]))
    with asking(
        tmp_path, {"odd": ODD}, *again, Script(calls=[Call("odd__echo", {"text": "back"})]), "Fine."
    ) as (s, _):
        assert s.claude.ask("Go.", mcp="odd").complete
        assert result(s)["is_error"]
        assert says in text(s)
        assert len(text(s).splitlines()) <= 3
        assert s.claude.ask("And now?", mcp="odd").text == "Fine."
        assert "back" in text(s)


def test_a_server_that_hangs_is_stopped_when_its_time_is_over(tmp_path):
    slow = {**ODD, "timeout": 0.5}
    with asking(tmp_path, {"odd": ODD}, Script(calls=[Call("odd__hangs", {})]), "Too slow.") as (s, servers):
        servers.connection(servers.entry("odd"))  # it may start as slowly as it likes
        s.settings.mcp = {"odd": slow}
        running = servers._connections["odd"]
        running.entry = servers.entry("odd")
        s.claude.ask("Go.", mcp="odd")
        assert "did not answer within 0.5 s and was stopped; the next question starts it again" in text(s)
        assert not servers.running("odd")


def test_stop_ends_a_call_at_once(tmp_path):
    with asking(tmp_path, {"odd": ODD}) as (_, servers):
        running, tools = servers.tools(servers.entry("odd"))
        stop = Stop()
        stop.request()
        hangs = next(tool for tool in tools if tool.name == "hangs")
        with pytest.raises(KeyboardInterrupt):
            running.call(hangs, {}, stop)
        assert running.alive


def test_a_server_that_was_killed_between_two_questions_is_started_again(tmp_path):
    with asking(tmp_path, {"odd": ODD}) as (_, servers):
        running, tools = servers.tools(servers.entry("odd"))
        pid = int(running.call(next(t for t in tools if t.name == "pid"), {}, Stop()).values[0])
        os.kill(pid, signal.SIGKILL)
        running, tools = servers.tools(servers.entry("odd"))
        assert int(running.call(next(t for t in tools if t.name == "pid"), {}, Stop()).values[0]) != pid


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"x": {"command": "no-such-program-at-all"}}, "could not be started: there is no such program"),
        (
            {"x": {"command": sys.executable, "args": ["-c", "raise SystemExit('no licence')"]}},
            'Its last output: "no licence"',
        ),
        (
            {
                "x": {
                    "command": sys.executable,
                    "args": ["-c", "import os\nwhile True: os.write(1, b'x' * 65536)"],
                }
            },
            "The MCP server x sent an endless line and was stopped.",
        ),
        ({"x": {"url": "http://127.0.0.1:9/mcp"}}, "The MCP server x"),
        (
            {"x": {"command": "run", "args": ["${NOT_SET_ANYWHERE}"]}},
            "environment variable NOT_SET_ANYWHERE, which is not set",
        ),
        ({"y": {"command": "run"}}, "There is no MCP server 'x'; there are y."),
        ({}, "the setting mcp is empty"),
    ],
)
def test_a_server_that_cannot_be_started_is_one_line(tmp_path, config, says):
    with asking(tmp_path, config, "Never.") as (s, _):
        with pytest.raises(McpError) as caught:
            s.claude.ask("Go.", mcp="x")
        assert says in caught.value.message
        assert "\n" not in caught.value.message
        assert not s.bodies


# --- entries that came with a folder ---------------------------------------------------------------------------


def beside(folder: Path, touched: Path, name: str = "local") -> None:
    """A `.mcp.json` whose server leaves a trace when it is started."""
    code = f"import pathlib; pathlib.Path({str(touched)!r}).touch(); from mcp_server_time import main; main()"
    entry = {"command": sys.executable, "args": ["-c", code], "env": {"TOKEN": "t0ps3cret-value"}}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {name: entry}}))


def test_an_entry_beside_the_notebook_starts_nothing_before_it_is_allowed(tmp_path):
    touched = tmp_path / "touched"
    beside(tmp_path, touched)
    with asking(tmp_path, {}, "Never.") as (s, servers):
        with pytest.raises(McpError) as caught:
            s.claude.ask("What time is it?", mcp="local")
        assert "Nothing was started: %claude_mcp allow local" in caught.value.message
        assert sys.executable in caught.value.message and "TOKEN" in caught.value.message
        assert "t0ps3cret-value" not in caught.value.message
        receipt = s.claude.ask("What time is it?", mcp="local", dry_run=True)
        assert "would run" in " ".join(receipt.notes)
        assert not touched.exists() and not s.bodies
        assert servers.names() == ["local"]


def test_a_yes_holds_for_that_very_entry_and_for_later_kernels(tmp_path):
    touched = tmp_path / "touched"
    beside(tmp_path, touched)
    questions: list[str] = []
    with asking(tmp_path, {}, "Noon.", "Noon.") as (s, servers):
        assert not servers.agreed(servers.entry("local"), lambda q: questions.append(q))
        assert servers.agreed(servers.entry("local"), lambda q: bool(questions.append(q)) or True)
        assert questions[0].startswith(".mcp.json next to this notebook would run ")
        s.claude.ask("What time is it?", mcp="local")
        assert touched.exists()
    touched.unlink()
    later = Servers(Settings(), tmp_path, data=lambda: tmp_path)
    assert later.agreed(later.entry("local"), lambda _q: pytest.fail("asked again"))
    beside(tmp_path, tmp_path / "other")
    assert not later.agreed(later.entry("local"), lambda _q: None)
    with pytest.raises(McpError, match="Nothing was started"):
        later.connection(later.entry("local"))
    assert (tmp_path / "mcp_agreed.json").stat().st_mode & 0o777 == 0o600


def test_the_same_entry_in_another_folder_is_another_program(tmp_path):
    for name in ("mine", "cloned"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".mcp.json").write_text('{"mcpServers": {"x": {"command": "./serve.sh"}}}')
    mine, cloned = (
        Servers(Settings(), tmp_path / name, data=lambda: tmp_path) for name in ("mine", "cloned")
    )
    assert mine.agreed(mine.entry("x"), lambda _q: True)
    assert cloned.entry("x") not in cloned.agreements


def test_a_file_that_the_setting_names_is_the_users_unless_it_lies_beside_the_notebook(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for folder in (tmp_path, tmp_path / "notebooks"):
        (folder / "servers.json").write_text('{"mcpServers": {"x": {"command": "serve"}}}')
    settings = Settings()
    servers = Servers(settings, tmp_path / "notebooks", data=lambda: tmp_path)
    settings.mcp = str(tmp_path / "servers.json")
    assert servers.entry("x") in servers.agreements
    settings.mcp = "servers.json"
    assert servers.entry("x") not in servers.agreements


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"mcpServers": {"x": {}}}', 'either "command"'),
        ('{"mcpServers": {"x": {"command": 5}}}', '"command" must be a non-empty string'),
        ('{"mcpServers": {"x": {"command": "a", "args": "b"}}}', '"args" must be a list'),
        ('{"mcpServers": {"x": {"url": "ftp://x"}}}', "must begin with http"),
        ('{"mcpServers": {"x": {"command": "a", "type": "telepathy"}}}', '"type" must be one of stdio'),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, says):
    (tmp_path / ".mcp.json").write_text(content)
    servers = Servers(Settings(), tmp_path, data=lambda: tmp_path)
    with pytest.raises(McpError) as caught:
        servers.entry("x")
    assert says in caught.value.message
    assert servers.names() == []


def test_no_server_is_left_behind(tmp_path):
    with asking(tmp_path, {"odd": ODD}) as (_, servers):
        running, tools = servers.tools(servers.entry("odd"))
        pid = int(running.call(next(t for t in tools if t.name == "pid"), {}, Stop()).values[0])
        assert servers.stop("odd")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not connection._open
