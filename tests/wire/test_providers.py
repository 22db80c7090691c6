"""What each cloud is sent: by the SDK's own client against loopback, since no account is at hand: signature, path, body, model's name."""

from __future__ import annotations

import base64
import binascii
import json
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.raw_server import text_events
from support.world import Stage, stage

from claude_jupyter.errors import AuthenticationError, MissingExtraError, UsageError
from claude_jupyter.models import MODELS, facts
from claude_jupyter.providers import PROVIDERS, spelled

AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-of-nobody",
    "AWS_REGION": "eu-central-1",
}


class Cloud(BaseHTTPRequestHandler):
    """Answers as Bedrock, as Google's token endpoint, or as the Messages API, by the path; notes what came."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict[str, str], Any]]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/token":
            return self._send(b'{"access_token": "ya29.loopback", "expires_in": 3600}', "application/json")
        headers = {k.lower(): v for k, v in self.headers.items()}
        self.seen.append((self.path, headers, json.loads(raw)))
        events = text_events("From the cloud.")
        if "invoke-with-response-stream" in self.path:
            pieces = [aws_event(e) for e in events]
            return self._send(b"".join(pieces), "application/vnd.amazon.eventstream")
        self._send(b"".join(events), "text/event-stream")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def aws_event(event: bytes) -> bytes:
    """An event of the stream in AWS's binary framing."""
    data = event.partition(b"data: ")[2].strip()
    payload = json.dumps({"bytes": base64.b64encode(data).decode()}).encode()
    headers = b""
    for name, value in (
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += (
            bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


@contextmanager
def cloud() -> Iterator[tuple[str, list[tuple[str, dict[str, str], Any]]]]:
    seen: list[tuple[str, dict[str, str], Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Cloud,), {"seen": seen}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def on(provider: str) -> Iterator[tuple[Stage, list[tuple[str, dict[str, str], Any]]]]:
    """A conversation that speaks to this provider at loopback, with the client the settings give."""
    with stage() as s, cloud() as (url, seen):
        s.settings.provider, s.settings.base_url = provider, url
        s.env.service.client = None
        yield s, seen
        s.env.service.client.close()


@pytest.fixture
def google(tmp_path, monkeypatch):
    """Google credentials as a file, whose token comes from loopback."""

    def at(url: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = tmp_path / "account.json"
        account = {
            "type": "service_account", "project_id": "tests", "private_key_id": "1", "private_key": pem.decode(),
            "client_email": "tests@example.com", "client_id": "1", "token_uri": f"{url}/token",
        }  # fmt: skip
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    return at


@pytest.fixture
def environ(monkeypatch):
    def given(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return given


def test_bedrock_is_signed_and_named_by_its_inference_profile(environ):
    environ(**AWS)
    with on("bedrock") as (s, seen):
        answer = s.claude.ask("Where are you?", model="haiku")
        assert answer.text == "From the cloud." and answer.provider == "bedrock"
        path, headers, body = seen[0]
        assert path == "/model/global.anthropic.claude-haiku-5-5/invoke-with-response-stream"
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-central-1/bedrock/" in headers["authorization"]
        assert body["anthropic_version"] and "model" not in body and "stream" not in body
        assert body["messages"][0]["content"][-1]["text"] == "Where are you?"
        # The ledger and the price know the model by its own name.
        assert answer.model == "claude-haiku-5-5" and answer.cost and answer.cost > 0


def test_bedrock_takes_a_bearer_token_and_a_full_name(environ):
    environ(AWS_BEARER_TOKEN_BEDROCK="bedrock-key", AWS_REGION="us-east-1")
    with on("bedrock") as (s, seen):
        s.claude.ask("q", model="us.anthropic.claude-opus-4-6-v1")
        path, headers, _ = seen[0]
        assert path == "/model/us.anthropic.claude-opus-4-6-v1/invoke-with-response-stream"
        assert headers["authorization"] == "Bearer bedrock-key"


def test_a_client_of_one_s_own_is_spoken_to_as_its_kind_takes_it(environ):
    import anthropic

    environ(AWS_BEARER_TOKEN_BEDROCK="bedrock-key", AWS_REGION="us-east-1")
    with stage() as s, cloud() as (url, seen):
        for kind in (anthropic.AnthropicBedrock, anthropic.AnthropicBedrockMantle):
            s.claude.client = kind(base_url=url)
            assert s.claude.ask("q", once=True).provider == "bedrock"
            s.claude.client.close()
        assert seen[0][0] == "/model/global.anthropic.claude-sonnet-5-5/invoke-with-response-stream"
        assert seen[1][0].endswith("/v1/messages") and seen[1][2]["model"] == "claude-sonnet-5-5"


def test_vertex_gets_a_google_token_and_the_model_in_its_path(environ, google):
    with on("vertex") as (s, seen):
        google(s.settings.base_url)
        environ(CLOUD_ML_REGION="europe-west1", ANTHROPIC_VERTEX_PROJECT_ID="tests")
        assert s.claude.ask("q", model="claude-haiku-4-5").text == "From the cloud."
        s.claude.ask("q again", model="sonnet")
        paths = [path.rpartition("/publishers/")[2] for path, _, _ in seen]
        assert paths == [
            "anthropic/models/claude-haiku-4-5@20251001:streamRawPredict",
            "anthropic/models/claude-sonnet-5-5:streamRawPredict",
        ]
        assert seen[0][0].startswith("/projects/tests/locations/europe-west1/")
        assert seen[0][1]["authorization"] == "Bearer ya29.loopback"
        assert "model" not in seen[0][2] and seen[0][2]["anthropic_version"]


def test_foundry_gets_its_own_key(environ):
    environ(ANTHROPIC_FOUNDRY_API_KEY="foundry-key-of-nobody")
    with on("foundry") as (s, seen):
        assert s.claude.ask("q").text == "From the cloud."
        path, headers, body = seen[0]
        assert path == "/v1/messages" and body["model"] == "claude-sonnet-5-5"
        assert "foundry-key-of-nobody" in (
            headers.get("api-key"),
            headers.get("x-api-key"),
            headers.get("authorization", "")[7:],
        )


def test_claude_platform_on_aws_is_signed_with_its_workspace(environ):
    environ(**AWS, ANTHROPIC_AWS_WORKSPACE_ID="wrkspc_1", ANTHROPIC_API_KEY="sk-ant-not-for-aws")
    with on("aws") as (s, seen):
        assert s.claude.ask("q").text == "From the cloud."
        path, headers, body = seen[0]
        assert path == "/v1/messages" and body["model"] == "claude-sonnet-5-5"
        assert "/aws-external-anthropic/" in headers["authorization"]
        assert headers["anthropic-workspace-id"] == "wrkspc_1" and "sk-ant" not in str(headers)


def test_google_cloud_gets_a_google_token_and_the_api_as_it_is(environ, google):
    with on("google_cloud") as (s, seen):
        google(s.settings.base_url)
        environ(ANTHROPIC_GOOGLE_CLOUD_PROJECT="tests", ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID="wrkspc_1")
        assert s.claude.ask("q").text == "From the cloud."
        path, headers, body = seen[0]
        assert path == "/v1/messages" and headers["authorization"] == "Bearer ya29.loopback"
        assert body["model"] == "claude-sonnet-5-5" and body["stream"] is True


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        ("bedrock", {}),
        ("bedrock", {"AWS_REGION": "us-east-1"}),
        ("vertex", {}),
        ("vertex", {"CLOUD_ML_REGION": "global"}),
        ("foundry", {}),
        ("foundry", {"ANTHROPIC_FOUNDRY_API_KEY": "foundry-key-of-nobody"}),
        ("aws", {}),
        ("aws", {"AWS_REGION": "us-east-1", "ANTHROPIC_AWS_WORKSPACE_ID": "w"}),
        ("google_cloud", {"ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID": "w"}),
    ],
)
def test_a_cloud_that_is_not_set_up_says_what_it_needs(provider, given, environ):
    environ(AWS_EC2_METADATA_DISABLED="true", GOOGLE_APPLICATION_CREDENTIALS="nowhere.json", **given)
    with stage() as s:
        s.settings.provider = provider
        s.env.service.client = None
        with pytest.raises(AuthenticationError, match=r"is not set up: it needs .*(AWS|ANTHROPIC)") as caught:
            s.claude.ask("q")
        assert "\n" not in caught.value.message and not s.bodies


@pytest.mark.parametrize("provider", ["bedrock", "vertex", "aws", "google_cloud"])
def test_a_missing_extra_is_named_in_one_line(provider, monkeypatch):
    for name in ("boto3", "google.auth", "google"):
        monkeypatch.setitem(sys.modules, name, None)
    with stage() as s:
        s.settings.provider = provider
        s.env.service.client = None
        extra = PROVIDERS[provider].extra
        with pytest.raises(MissingExtraError, match=rf'pip install "claude-jupyter\[{extra}\]"') as caught:
            s.claude.ask("q")
        assert "\n" not in caught.value.message


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_name_is_understood_again(provider):
    for model in MODELS:
        assert facts(spelled(provider, model.id)).id == model.id, model.id
        assert spelled(provider, spelled(provider, model.id)) == spelled(provider, model.id)


@pytest.mark.parametrize("provider", ["bedrock", "vertex", "foundry"])
def test_where_there_are_no_batches_that_is_said_before_anything_is_sent(provider, environ):
    environ(**AWS, ANTHROPIC_FOUNDRY_API_KEY="foundry-key-of-nobody", CLOUD_ML_REGION="global")
    with on(provider) as (s, seen):
        with pytest.raises(UsageError, match="has no message batches"):
            s.claude.map(["a", "b"], "What is it?", batch=True)
        assert not seen
