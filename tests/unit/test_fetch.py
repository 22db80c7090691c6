"""A URL that is fetched here never leads into this machine's own network, unless that is what the user wrote."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image as Pictures

from claude_jupyter.content.files import documents, fetch
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError

BEDROCK = Rules(provider="bedrock")


def png() -> bytes:
    buffer = io.BytesIO()
    Pictures.new("RGB", (30, 20), "red").save(buffer, "PNG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    seen: list[str]
    location = ""

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(int(self.path[4:7]))
            self.send_header("location", self.location)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(png())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[ThreadingHTTPServer] = []

    def start(location: str = "") -> tuple[str, list[str]]:
        seen: list[str] = []
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Here", (Handler,), {"seen": seen, "location": location})
        )
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", seen

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def names(monkeypatch):
    """`names(host=address)`: a name server that gives these; where a public address is connected to, this machine answers."""
    real, connect = socket.getaddrinfo, socket.create_connection

    def given(**known: str) -> None:
        hosts = {name.replace("_", "."): address for name, address in known.items()}

        def lookup(host: Any, port: Any, *args: Any, **how: Any) -> Any:
            address = hosts.get(str(host), host)
            if str(host).endswith(".example") and str(host) not in hosts:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return real(address, port, *args, **how)

        def here(place: Any, *args: Any) -> Any:
            return (
                connect(("127.0.0.1", place[1]), *args)
                if place[0] == "93.184.216.34"
                else connect(place, *args)
            )

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        monkeypatch.setattr(socket, "create_connection", here)

    return given


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.5.5", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local"),
        ("0.0.0.0", "private"),
        ("100.64.0.1", "private"),
        ("198.18.0.1", "private"),
        ("224.0.0.1", "private"),
        ("255.255.255.255", "private"),
        ("::1", "loopback"),
        ("::", "private"),
        ("fe80::1", "link-local"),
        ("fd00::1", "private"),
        ("fc00::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("2002:7f00:1::", "private"),
        ("ff02::1", "private"),
    ],
)
def test_a_name_that_resolves_into_a_private_network_is_not_fetched(address, kind, names):
    names(files_example=address)
    with pytest.raises(AttachmentError, match=r"leads to the \S+ address \S+ \(files\.example\)") as caught:
        documents.attach("http://files.example/a.png", BEDROCK)
    assert "\n" not in str(caught.value) and (kind in str(caught.value) or ":" in address)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_into_this_machine_is_not_followed(status, serve, names):
    inner, seen = serve()
    outer, outer_seen = serve(f"{inner}/secret.png")
    names(files_example="93.184.216.34")
    port = outer.rpartition(":")[2]
    with pytest.raises(AttachmentError, match=r"loopback address 127\.0\.0\.1, so it was not fetched"):
        documents.attach(f"http://files.example:{port}/to/{status}.png", BEDROCK)
    assert len(outer_seen) == 1 and not seen


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/a.png",
        "http://[::1]:PORT/a.png",
        "http://localhost:PORT/a.png",
        "http://2130706433:PORT/a.png",
        "http://127.1:PORT/a.png",
        "http://0x7f000001:PORT/a.png",
        "http://0177.0.0.1:PORT/a.png",
        "http://0.0.0.0:PORT/a.png",
        "http://[::ffff:127.0.0.1]:PORT/a.png",
        "https://127.0.0.1:PORT/a.png",
        "//127.0.0.1:PORT/a.png",
        "http://inner.example:PORT/a.png",
        "ftp://127.0.0.1/a.png",
        "file:///etc/passwd",
    ],
)
def test_however_the_redirect_spells_it(location, serve, names):
    inner, seen = serve()
    outer, _ = serve(location.replace("PORT", inner.rpartition(":")[2]))
    names(files_example="93.184.216.34", inner_example="10.0.0.1")
    with pytest.raises(AttachmentError) as caught:
        documents.attach(f"http://files.example:{outer.rpartition(':')[2]}/to/302.png", BEDROCK)
    assert not seen and "\n" not in str(caught.value)


def test_a_public_redirect_is_followed(serve, names):
    inner, seen = serve()
    outer, _ = serve(f"http://other.example:{inner.rpartition(':')[2]}/a.png")
    names(files_example="93.184.216.34", other_example="93.184.216.34")
    (attachment,) = documents.attach(f"http://files.example:{outer.rpartition(':')[2]}/to/302.png", BEDROCK)
    assert attachment.size == (30, 20) and seen == ["/a.png"]


def test_a_second_look_up_cannot_give_another_address(serve, monkeypatch):
    url, seen = serve()
    port, real, asked = url.rpartition(":")[2], socket.getaddrinfo, []

    def turning(host: Any, *args: Any, **how: Any) -> Any:
        if host == "files.example":
            asked.append(host)
            return real("93.184.216.34" if len(asked) == 1 else "127.0.0.1", *args, **how)
        return real(host, *args, **how)

    def nowhere(place: Any, *args: Any) -> Any:
        raise ConnectionRefusedError(f"no way to {place[0]}")

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    monkeypatch.setattr(socket, "create_connection", nowhere)
    with pytest.raises(AttachmentError, match=r"no way to 93\.184"):
        documents.attach(f"http://files.example:{port}/a.png", BEDROCK)
    assert asked == ["files.example"] and not seen


@pytest.mark.parametrize("provider", ["bedrock", "anthropic", "demo"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_what_the_user_writes_out_is_meant_and_fetched_here(provider, host, serve):
    url, seen = serve()
    url = url.replace("127.0.0.1", host)
    (attachment,) = documents.attach(f"{url}/plot.png", Rules(provider=provider))
    assert attachment.blocks[-1]["source"]["type"] == "base64" and seen == ["/plot.png"]


@pytest.mark.parametrize("provider", ["bedrock", "anthropic"])
def test_what_the_user_writes_out_leads_nowhere_else_at_home(provider, serve):
    inner, seen = serve()
    outer, _ = serve(f"{inner}/secret.png")
    with pytest.raises(AttachmentError, match="loopback address"):
        documents.attach(f"{outer}/to/302.png", Rules(provider=provider))
    assert not seen


@pytest.mark.parametrize("provider", ["bedrock", "anthropic"])
def test_link_local_addresses_are_refused_whoever_writes_them(provider):
    with pytest.raises(AttachmentError, match=r"link-local address 169\.254\.169\.254"):
        documents.attach("http://169.254.169.254/latest/meta-data/a.png", Rules(provider=provider))


@pytest.mark.parametrize("provider", ["bedrock", "anthropic"])
def test_a_value_that_names_this_machine_is_not_the_user(provider, serve):
    from IPython.display import Image

    from claude_jupyter.content.images import convert

    url, seen = serve()
    with pytest.raises(AttachmentError, match="load it in Python"):
        documents.from_url(f"{url}/a.png", Rules(provider=provider))
    assert convert and Image(url=f"{url}/a.png").url and not seen


def test_a_proxy_does_not_open_the_way(serve, names, monkeypatch):
    proxy, seen = serve()
    monkeypatch.setenv("http_proxy", proxy)
    names(inner_example="10.0.0.1", files_example="93.184.216.34")
    for url in ("http://inner.example/a.png", "http://169.254.169.254/a.png"):
        with pytest.raises(AttachmentError, match="leads to the"):
            documents.attach(url, BEDROCK)
    assert not seen
    assert documents.attach("http://files.example/a.png", BEDROCK)[0].size == (30, 20)
    assert documents.attach("http://only-the-proxy-knows.example/a.png", BEDROCK)[0].size == (30, 20)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("url", "private"),
    [("http://localhost/", True), ("http://a.localhost", True), ("http://LOCALHOST.:80", True), ("http://[::1]/", True),
     ("http://8.8.8.8/", False), ("http://example.com/", False), ("http://127.0.0.1.nip.io/", False),
     ("http://10/", True), ("http://[fe80::1%25eth0]/", True)],
)  # fmt: skip
def test_what_names_this_machine_outright(url, private):
    assert fetch.is_private(url) is private
