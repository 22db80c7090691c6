"""A request can be left at any moment: whoever waits goes on at once, and neither a thread nor a connection stays behind."""

from __future__ import annotations

import os
import threading
import time

import anthropic
import pytest
from support.raw_server import End, Play, RawServer, answer, failure, raw_server, text_events

from claude_jupyter.client.events import Arrived, Reply, Request, Waiting
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.demo import server as demo
from claude_jupyter.settings import Settings

EVENTS = text_events("word " * 500, size=10)
PARAMS = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "q"}]}
MOMENTS = {
    "before the headers": Play(before_headers=End.HANG),
    "after the headers": Play([End.HANG]),
    "in silence": Play([*EVENTS[:9], End.HANG]),
    "in a steady stream": Play([step for e in EVENTS for step in (e, 0.05)]),
}


def service_for(server: RawServer) -> Service:
    service = Service(Settings())
    service.client = anthropic.Anthropic(api_key="key-of-the-stop-tests", base_url=server.url)
    return service


def until(found) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wires() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "claude-wire"]


@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept-alive connection"])
@pytest.mark.parametrize("play", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_stop_at_any_moment_leaves_nothing_behind(play: Play, warm: bool):
    with raw_server(answer()) as server:
        service = service_for(server)
        if warm:
            assert list(service.send(Request(PARAMS), Stop()))[-1].complete
        server.reset(play)
        stop, events = Stop(), []
        thread = threading.Thread(target=lambda: events.extend(service.send(Request(PARAMS), stop)))
        thread.start()
        until(lambda: server.requests)
        if play is not MOMENTS["before the headers"] and play is not MOMENTS["after the headers"]:
            until(lambda: server.first_byte)
        time.sleep(0.1)
        stop.request()
        thread.join(60)
        assert not thread.is_alive()
        reply = events[-1]
        assert isinstance(reply, Reply) and reply.stopped and reply.error is None
        until(lambda: not wires())
        until(lambda: server.disconnects)
        server.reset(answer("And on."))
        assert list(service.send(Request(PARAMS), Stop()))[-1].complete
        service.client.close()


def test_a_stop_while_a_busy_service_is_waited_for():
    with raw_server(failure(529, "overloaded_error", "busy", retry_after="50")) as server:
        service, stop = service_for(server), Stop()
        events = service.send(Request(PARAMS), stop)
        assert isinstance(next(events), Waiting)
        threading.Timer(0.1, stop.request).start()
        reply = list(events)[-1]
        assert reply.stopped and reply.error is None and len(server.requests) == 1
        service.client.close()


def test_whoever_leaves_early_closes_the_connection():
    with raw_server(MOMENTS["in silence"]) as server:
        service = service_for(server)
        events = service.send(Request(PARAMS), Stop())
        assert isinstance(next(events), Arrived)
        events.close()
        until(lambda: server.disconnects)
        until(lambda: not wires())
        service.client.close()


def test_a_forked_process_asks_over_connections_of_its_own():
    service = Service(Settings())
    service._settings.provider = "demo"
    assert list(service.send(Request(PARAMS), Stop()))[-1].complete
    parent = demo.shared().url
    read, write = os.pipe()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried here
        child = os.fork()
    if child == 0:
        try:
            reply = list(service.send(Request(PARAMS), Stop()))[-1]
            os.write(write, f"{reply.complete} {demo.shared().url != parent}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        assert said.read() == "True True"
    os.waitpid(child, 0)
    assert list(service.send(Request(PARAMS), Stop()))[-1].complete
    service.client.close()
