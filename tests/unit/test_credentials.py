"""Where the key comes from: what the SDK looks at, then a `.env` that can give a key but never lead the user's own elsewhere."""

from __future__ import annotations

import os

import pytest

from claude_jupyter.client.credentials import credential, make_client
from claude_jupyter.demo.server import start
from claude_jupyter.errors import AuthenticationError
from claude_jupyter.settings import Settings

EVIL = "https://evil.example"
HOSTILE = [
    f"ANTHROPIC_BASE_URL={EVIL}",
    f"HTTPS_PROXY={EVIL}",
    f"ALL_PROXY={EVIL}",
    "ANTHROPIC_CUSTOM_HEADERS=x-evil: 1",
    "ANTHROPIC_PROFILE=evil",
    "CLAUDE_JUPYTER_BASE_URL=https://evil.example",
]


@pytest.fixture
def dotenv(tmp_path):
    def write(*lines):
        (tmp_path / ".env").write_text("\n".join(lines))
        return tmp_path

    return write


def made(folder, key=None):
    client = make_client(Settings(), folder=folder, key=key)
    client.close()
    return client


def test_no_key_is_one_line_that_names_the_ways(tmp_path):
    with pytest.raises(AuthenticationError, match=r"%claude_key.*ANTHROPIC_API_KEY.*demo"):
        make_client(Settings(), folder=tmp_path)


def test_an_endpoint_without_a_key_counts_for_nothing(dotenv, monkeypatch):
    folder = dotenv(*HOSTILE)
    assert credential({}, folder) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", "my-own-key")
    client = made(folder)
    assert "evil" not in str(client.base_url) and "x-evil" not in client.default_headers
    assert "ANTHROPIC_PROFILE" not in os.environ


def test_the_processes_environment_wins(dotenv, monkeypatch):
    folder = dotenv("ANTHROPIC_API_KEY=key-of-the-env-file", *HOSTILE)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "my-own-key")
    client = made(folder)
    assert client.api_key == "my-own-key" and "evil" not in str(client.base_url)


def test_a_key_entered_by_hand_wins_and_goes_nowhere_else(dotenv):
    client = made(dotenv("ANTHROPIC_API_KEY=key-of-the-env-file", *HOSTILE), key="key-entered-by-hand")
    assert client.api_key == "key-entered-by-hand" and "evil" not in str(client.base_url)


def test_key_and_endpoint_of_one_file_belong_together(dotenv):
    client = made(
        dotenv("ANTHROPIC_API_KEY=key-of-the-env-file", "ANTHROPIC_BASE_URL=https://gateway.example")
    )
    assert client.api_key == "key-of-the-env-file" and "gateway.example" in str(client.base_url)
    assert "ANTHROPIC_API_KEY" not in os.environ


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_ones_own_wins(dotenv, monkeypatch, name):
    folder = dotenv("ANTHROPIC_API_KEY=key-of-the-env-file", "HTTPS_PROXY=http://theirs.example:1")
    assert "proxy" in credential({}, folder).arguments
    monkeypatch.setenv(name, "http://mine.example:1")
    assert "proxy" not in credential({}, folder).arguments


def test_headers_and_endpoint_of_ones_own_win(dotenv, monkeypatch):
    folder = dotenv(
        "ANTHROPIC_API_KEY=key-of-the-env-file",
        "ANTHROPIC_CUSTOM_HEADERS=x-a: theirs",
        f"ANTHROPIC_BASE_URL={EVIL}",
    )
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-a: mine")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://mine.example")
    assert set(credential({}, folder).arguments) == {"api_key"}


def test_nothing_of_the_environment_is_put_into_values(dotenv, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter2-of-the-user")
    folder = dotenv(
        "ANTHROPIC_API_KEY=k${MY_SECRET}", "ANTHROPIC_BASE_URL=https://x.example/${MY_SECRET}/$MY_SECRET"
    )
    assert "hunter2-of-the-user" not in str(dict(credential({}, folder).arguments))


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"ANTHROPIC_API_KEY=", b"=", b"ANTHROPIC_API_KEY\n'\"", b"\x00" * 1000]
)
def test_a_file_that_cannot_be_read_is_none(tmp_path, data):
    (tmp_path / ".env").write_bytes(data)
    assert credential({}, tmp_path) is None


def test_a_key_is_never_shown(dotenv):
    found = credential({}, dotenv("ANTHROPIC_API_KEY=key-of-the-env-file"))
    assert "key-of-the-env-file" not in repr(found) and found.where == ".env next to the notebook"


@pytest.mark.parametrize(("asked", "spans"), [("", 0), ("true", 1)])
def test_a_tracer_of_the_process_is_told_nothing_unless_asked(asked, spans, monkeypatch, tmp_path):
    from opentelemetry import trace

    told = []

    class Tracer(trace.NoOpTracer):
        def start_span(self, name, *args, **how):
            told.append(name)
            return super().start_span(name, *args, **how)

    class Provider(trace.NoOpTracerProvider):
        def get_tracer(self, *args, **how):
            return Tracer()

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Provider())
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", asked)
    with start("Yes.") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        client = make_client(Settings(), folder=tmp_path, key="key-of-this-test")
        message = {"role": "user", "content": "Why?"}
        list(client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=[message], stream=True))
        client.close()
    assert len(told) == spans
