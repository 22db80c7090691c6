"""Proxies and certificates of the environment: what cannot be used is one line; and no redirect leads a question elsewhere."""

from __future__ import annotations

import json
import ssl
import sys
from datetime import datetime

import anthropic
import httpx2
import pytest
from support.raw_server import Play, RawServer, answer, raw_server

from claude_jupyter import errors
from claude_jupyter.client.credentials import make_client
from claude_jupyter.client.events import Request
from claude_jupyter.client.message_batches import results
from claude_jupyter.client.network import http_client
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.settings import Settings

KEY = "a-key-0123456789-of-nobody"
SECRET = "the question and its data"
QUESTION = Request(
    {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": SECRET}]}
)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


# -- the environment ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks5://localhost:1080", "pip install socksio"),
        ("all_proxy", "socks5h://localhost:1080", "pip install socksio"),
        ("HTTPS_PROXY", "socks5://user:hunter2@localhost", "pip install socksio"),
        ("ALL_PROXY", "socks4://localhost:1080", "socks4:// is not one of"),
        ("ALL_PROXY", "socks://localhost:1080", "socks:// is not one of"),
        ("HTTPS_PROXY", "ftp://proxy", "ftp:// is not one of"),
        ("HTTP_PROXY", "http://[bad", "http://host:8080"),
        ("HTTP_PROXY", "http://[::1", "http://host:8080"),
        ("HTTPS_PROXY", "foo:bar:baz", "http://host:8080"),
        ("HTTPS_PROXY", "localhost:abc", "http://host:8080"),
        ("HTTPS_PROXY", "http://localhost:99999", "http://host:8080"),
        ("HTTPS_PROXY", "http://localhost:0", "no host"),
        ("https_proxy", "http://", "no host"),
        ("http_proxy", "http:///path", "no host"),
        ("HTTPS_PROXY", "://localhost", "://"),
        ("HTTPS_PROXY", "http://my proxy:80", "http://host:8080"),
        ("HTTPS_PROXY", "http://user:hunter2@[bad", "http://host:8080"),
        ("HTTPS_PROXY", "http:// localhost", "http://host:8080"),
        ("ANTHROPIC_BASE_URL", "http://host:port", "https://host"),
        ("ANTHROPIC_BASE_URL", "http://[::1", "https://host"),
        ("ANTHROPIC_BASE_URL", "not an address", "no scheme"),
        ("ANTHROPIC_BASE_URL", "ftp://host", "ftp:// is not one of http, https"),
        ("ANTHROPIC_BASE_URL", "http://", "no host"),
        ("SSL_CERT_FILE", "/nope.pem", "no such file"),
        ("SSL_CERT_FILE", "/", "directory"),
        ("SSL_CERT_FILE", __file__, "no certificate"),
        ("SSL_CERT_DIR", "/nope", "is not a folder"),
        ("SSL_CERT_DIR", __file__, "is not a folder"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_in_one_line(name, value, words, monkeypatch):
    if "socksio" in words:
        monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)
    with pytest.raises(errors.SettingError) as caught:
        make_client(Settings(), key=KEY)
    line = str(caught.value)
    assert line.startswith(name) and words in line and "\n" not in line and "hunter2" not in line, line
    assert caught.value._render_traceback_() == [f"SettingError: {line}"]


@pytest.mark.parametrize("address", ["http://host:port", "http://[::1", "https://host:99999"])
def test_a_setting_that_is_no_address_is_named_too(address):
    settings = Settings()
    settings.base_url = address
    with pytest.raises(errors.SettingError, match=r"^base_url is not .* %config ClaudeMagics.base_url"):
        make_client(settings, key=KEY)


def test_the_line_is_what_a_question_says(monkeypatch):
    service = Service(Settings())
    service.key = KEY
    monkeypatch.setenv("SSL_CERT_FILE", "/nope.pem")
    (reply,) = service.send(QUESTION, Stop())
    assert isinstance(reply.error, errors.SettingError) and str(reply.error).startswith("SSL_CERT_FILE")


def proxied(url: str, endpoint: str | None = None) -> bool:
    """Whether a request to this address would go through a proxy."""
    client = http_client(endpoint or url)
    try:
        transport = client._transport_for_url(httpx2.URL(url))
        return "Proxy" in type(transport._pool).__name__
    finally:
        client.close()


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("fe80::/10", "http://[fe80::1]:8000", True),
        ("[fe80::]/10", "http://[fe80::1]:8000", True),
        ("fe80::/10", "https://api.anthropic.com", False),
        ("[::1]", "http://[::1]:8000", True),
        ("::1", "http://[::1]", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("[::1]:8000", "http://[::1]:9000", False),
        ("10.0.0.0/8,[::1]", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.0.0.0/99", "http://10.1.2.3", False),
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("localhost", "http://localhost:8000", True),
        ("localhost", "http://notlocalhost", False),
        ("example.com", "https://api.example.com", True),
        ("example.com", "https://example.com", True),
        ("example.com.", "https://example.com", True),
        ("EXAMPLE.com", "https://example.com", True),
        (".example.com", "https://api.example.com", True),
        ("*.example.com", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        ("example.com:8443", "https://example.com:8443", True),
        ("a b,example.com", "https://example.com", True),
        ("a.com b.com", "https://b.com", True),
        ("*foo*, [::1], example.com", "https://example.com", True),
        ("bücher.example", "https://xn--bcher-kva.example", True),
        ("http://example.com", "http://example.com", True),
        ("http://example.com", "https://example.com", False),
        ("*", "https://example.com", True),
        ("[bad, fe80::/999, //, :::", "https://example.com", False),
        ("", "https://example.com", False),
    ],
)
def test_no_proxy_as_curl_and_go_read_it(no_proxy, url, direct, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:8080")
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:8080")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxied(url) is not direct
    made = make_client(Settings(), key=KEY)
    made.close()


def test_what_no_proxy_covers_needs_no_working_proxy(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://localhost:1080")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    with raw_server(answer()) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        client = make_client(Settings(), key=KEY)
        assert client.messages.create(**QUESTION.params, stream=True).response.status_code == 200
        client.close()


def test_the_demo_needs_none_of_it(monkeypatch):
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://[bad")
    monkeypatch.setenv("SSL_CERT_FILE", "/nope.pem")
    settings = Settings()
    settings.provider = "demo"
    make_client(settings).close()


@pytest.mark.parametrize(
    ("provider", "environ"),
    [
        ("bedrock", {"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "us-east-1"}),
        ("foundry", {"ANTHROPIC_FOUNDRY_API_KEY": "k", "ANTHROPIC_FOUNDRY_RESOURCE": "r"}),
    ],
)
def test_the_clouds_read_the_same_variables(provider, environ, monkeypatch):
    settings = Settings()
    settings.provider = provider
    for name, value in {**environ, "HTTPS_PROXY": "http://proxy.example:1", "NO_PROXY": "[::1]"}.items():
        monkeypatch.setenv(name, value)
    client = make_client(settings)
    assert "Proxy" in type(client._client._transport_for_url(client.base_url)._pool).__name__
    client.close()
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy")
    with pytest.raises(errors.SettingError, match="HTTPS_PROXY is not"):
        make_client(settings)


def test_a_certificate_that_is_not_accepted_says_where_its_authority_goes():
    error = ssl.SSLCertVerificationError(
        1, "certificate verify failed: self-signed certificate in certificate chain"
    )

    def fail(_request: object) -> None:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]") from error

    own = anthropic.Anthropic(api_key=KEY, http_client=httpx2.Client(transport=httpx2.MockTransport(fail)))
    service = Service(Settings())
    service.client = own
    events = list(service.send(QUESTION, Stop()))
    own.close()
    assert "SSL_CERT_FILE" in str(events[-1].error) and "REQUESTS_CA_BUNDLE" in str(events[-1].error)
    assert len(events) == 1  # not tried again


def test_a_key_log_that_cannot_be_written(monkeypatch, tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tests")])
    start, end = datetime(2026, 1, 1), datetime(2099, 1, 1)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), 1, start, end)
    pem = unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    make_client(Settings(), key=KEY).close()
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "nope" / "keys.log"))
    with pytest.raises(errors.SettingError, match="SSLKEYLOGFILE cannot be written"):
        make_client(Settings(), key=KEY)


# -- redirects ----------------------------------------------------------------------------------------------------------


def redirect(status: int, location: str) -> Play:
    return Play(status=status, headers={"location": location}, type="text/html")


def asked(server: RawServer, *, own: bool = False):
    settings = Settings()
    settings.base_url = server.url
    service = Service(settings)
    service.key = KEY
    if own:
        service.client = anthropic.Anthropic(api_key=KEY, base_url=server.url)
    events = list(service.send(QUESTION, Stop()))
    service.client.close()
    return events


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_elsewhere_is_not_followed(status, own):
    with raw_server(answer("I have it all.")) as thief, raw_server() as server:
        server.plays = [redirect(status, f"{thief.url}/v1/messages")]
        events = asked(server, own=own)
        assert not thief.requests and not thief.others
        line = str(events[-1].error)
        assert isinstance(events[-1].error, errors.APIConnectionError)
        assert (
            f"redirected to {thief.url};" in line and server.url in line and "nothing was sent there" in line
        )
        assert len(events) == 1 and len(server.requests) == 1 and "\n" not in line


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("http://evil.example/v1/messages", "http://evil.example"),
        ("//evil.example/v1/messages", "http://evil.example"),
        ("https://127.0.0.1:PORT/v1/messages", "https://127.0.0.1:PORT"),
        ("http://localhost:PORT/v1/messages", "http://localhost:PORT"),
        ("http://127.0.0.1/v1/messages", "http://127.0.0.1"),
        ("http://127.0.0.1:PORT@evil.example/", "http://evil.example"),
        ("http://user:pass@evil.example/x", "http://evil.example"),
        ("HTTP://EVIL.EXAMPLE/", "http://evil.example"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("http://2130706433:PORT/", "http://2130706433:PORT"),
        ("ftp://127.0.0.1:PORT/", "ftp://127.0.0.1:PORT"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"),
    ],
)
def test_wherever_it_leads_it_is_said(location, there):
    with raw_server() as server:
        port = server.url.rpartition(":")[2]
        server.plays = [redirect(307, location.replace("PORT", port)), answer("Never.")]
        events = asked(server)
        assert events[-1].error is not None and len(server.requests) == 1, events
        assert there.replace("PORT", port) in str(events[-1].error) and "\n" not in str(events[-1].error)
        assert "pass" not in str(events[-1].error)


@pytest.mark.parametrize(
    "location",
    ["/v2/v1/messages", "http://127.0.0.1:PORT/v2/v1/messages", "v1/messages", "?again=/v1/messages"],
)
@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_endpoint_is_followed(status, location):
    with raw_server() as server:
        port = server.url.rpartition(":")[2]
        server.plays = [redirect(status, location.replace("PORT", port)), answer("Here.")]
        events = asked(server)
        assert events[-1].complete and len(server.requests) == 2
        assert SECRET.encode() in server.requests[1].body


def test_a_chain_that_ends_elsewhere_stops_there():
    with raw_server(answer("I have it all.")) as thief, raw_server() as server:
        server.plays = [redirect(307, "/a/v1/messages"), redirect(308, f"{thief.url}/v1/messages")]
        events = asked(server)
        assert "nothing was sent there" in str(events[-1].error) and not thief.requests
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_question_is_said(status):
    with raw_server() as server:
        server.plays = [redirect(status, "/elsewhere/v1/messages")]
        events = asked(server)
        assert "/elsewhere/v1/messages, and the request cannot be repeated there" in str(events[-1].error)
        assert not server.others


@pytest.mark.parametrize("what", ["count", "models"])
def test_other_calls_stay_too(what):
    with raw_server(answer()) as thief, raw_server() as server:

        def redirecting(connection, request):
            server.others.append(request)
            return server._play(connection, redirect(307, f"{thief.url}{request.path}"))

        server._answer = redirecting
        settings = Settings()
        settings.base_url, settings.max_retries = server.url, 0
        service = Service(settings)
        service.key = KEY
        with pytest.raises(errors.APIConnectionError, match="nothing was sent there"):
            service.count(QUESTION) if what == "count" else service.models()
        service.client.close()
        assert server.others and not thief.others and not thief.requests


def test_results_of_a_batch_are_fetched_from_the_endpoint_alone():
    with raw_server(answer()) as thief, raw_server() as server:
        batch = {
            "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "results_url": f"{thief.url}/r",
        }  # fmt: skip

        def told(connection, request):
            server.others.append(request)
            return server._play(connection, Play([json.dumps(batch).encode()], type="application/json"))

        server._answer = told
        settings = Settings()
        settings.base_url = server.url
        service = Service(settings)
        service.key = KEY
        with pytest.raises(errors.APIConnectionError, match="unexpected address"):
            list(results(service, "msgbatch_1"))
        service.client.close()
        assert not thief.others
