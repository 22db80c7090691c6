"""What goes wrong on the way to the service is told in one line, without a key; when to try again, and for how long."""

from __future__ import annotations

import email.utils
import json
import pickle
import socket
import time

import anthropic
import httpx2
import pytest
from support.raw_server import End, Play, answer, failure, raw_server, text_events

import claude_jupyter
from claude_jupyter import errors
from claude_jupyter.client.events import Reply, Request, Waiting
from claude_jupyter.client.sdk_errors import clean, continued, pause, retry_after, translate, worth_retrying
from claude_jupyter.client.service import Service
from claude_jupyter.client.stream import Accumulator
from claude_jupyter.client.transport import Stop
from claude_jupyter.settings import Settings

KEY = "a-key-0123456789-of-nobody"
REQUEST = Request(
    {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "q"}]}
)


def raised(server, key=KEY, **how):
    client = anthropic.Anthropic(api_key=key, base_url=server.url, max_retries=0, timeout=5)
    try:
        client.messages.create(**REQUEST.params, **how)
    except Exception as error:
        return error
    finally:
        client.close()
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("status", "kind", "said", "cls", "words"),
    [
        (400, "invalid_request_error", "messages.0: bad", errors.BadRequestError, "messages.0: bad"),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8", errors.BadRequestError, "-n"),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low",
            errors.BadRequestError,
            "billing page",
        ),
        (401, "authentication_error", "invalid key", errors.AuthenticationError, "%claude_key"),
        (402, "billing_error", "no credit", errors.PaymentRequiredError, "billing"),
        (403, "permission_error", "no", errors.PermissionDeniedError, "%claude_key"),
        (404, "not_found_error", "model: claude-opuss", errors.NotFoundError, "no model"),
        (404, "not_found_error", "Not Found", errors.NotFoundError, "base_url"),
        (409, "conflict_error", "busy", errors.ConflictError, "again"),
        (413, "request_too_large", "big", errors.ContentTooLargeError, "32 MB"),
        (422, "invalid_request_error", "odd", errors.UnprocessableEntityError, "odd"),
        (429, "rate_limit_error", "slow down", errors.RateLimitError, "Wait"),
        (429, "rate_limit_error", "monthly spend limit reached", errors.RateLimitError, "spend limit"),
        (
            429,
            "rate_limit_error",
            "You have reached your API usage limits.",
            errors.RateLimitError,
            "spend limit",
        ),
        (
            400,
            "invalid_request_error",
            "You have reached your API usage limits.",
            errors.BadRequestError,
            "spend limit",
        ),
        (500, "api_error", "oops", errors.InternalServerError, "500"),
        (503, "api_error", "oops", errors.ServiceUnavailableError, "503"),
        (529, "overloaded_error", "busy", errors.OverloadedError, "overloaded"),
    ],
)
def test_every_status_is_one_line(status, kind, said, cls, words):
    with raw_server(failure(status, kind, f"{said}\n{KEY}sk-ant-api03-{KEY}")) as server:
        told = translate(raised(server), model="claude-opuss")
    assert type(told) is cls and told.status == status and words in told.message
    assert "\n" not in told.message and "sk-ant" not in told.message
    assert told._render_traceback_() == [f"{cls.__name__}: {told.message}"]


def test_errors_are_named_as_the_sdk_names_them():
    for status in (
        400,
        401,
        402,
        403,
        404,
        408,
        409,
        412,
        413,
        422,
        429,
        431,
        499,
        500,
        501,
        502,
        503,
        504,
        529,
    ):
        with raw_server(failure(status, "api_error", "oops", x_should_retry="false")) as server:
            error = raised(server)
        named = type(translate(error, model="m"))
        assert named.__name__ == type(error).__name__
        assert getattr(claude_jupyter, named.__name__) is named and issubclass(
            named, claude_jupyter.ClaudeError
        )
    with pytest.raises(AttributeError, match="NoSuchError"):
        _ = claude_jupyter.NoSuchError


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nx: y"])
def test_a_key_that_cannot_be_sent_is_not_shown(key):
    with raw_server(answer()) as server:
        error = raised(server, key)
        told = translate(error, model="m")
        assert isinstance(told, errors.AuthenticationError), (error, told.message)
        assert "%claude_key" in told.message and KEY not in told.message
        assert not worth_retrying(error)


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    client = anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0)
    with pytest.raises(anthropic.APIConnectionError) as caught:
        client.messages.create(**REQUEST.params)
    client.close()
    told = translate(caught.value, model="m")
    assert isinstance(told, errors.APIConnectionError) and "base_url" in told.message
    assert worth_retrying(caught.value)


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (httpx2.ReadTimeout("x"), errors.APITimeoutError),
        (httpx2.RemoteProtocolError("x"), errors.APIConnectionError),
        (AssertionError(), errors.InternalError),
        (ValueError("could not parse\nthis"), errors.InternalError),
        (errors.UsageError("mine"), errors.UsageError),
    ],
)
def test_other_failures_are_one_line_too(error, cls):
    told = translate(error, model="m")
    assert type(told) is cls and told.message and "\n" not in told.message


class Broken(Accumulator):
    """An accumulator with a bug in it."""

    def __init__(self, bug):
        super().__init__()
        self.bug = bug

    def feed(self, event):
        if event.type == "content_block_delta":
            self.bug()


def raising(error):
    def bug():
        raise error

    return bug


BUGS = {
    "ZeroDivisionError": lambda: 1 // 0,
    "KeyError": lambda: {}["x"],
    "AttributeError": lambda: None.x,
    "TypeError": lambda: None + 1,
    "ValueError": lambda: int("x"),
    "AssertionError": raising(AssertionError("never")),
    "RecursionError": raising(RecursionError("deep")),
    "NameError": lambda: nowhere,  # noqa: F821
    "IndexError": lambda: [][0],
    "UnboundLocalError": raising(UnboundLocalError("x")),
    "JSONDecodeError": lambda: json.loads("{"),
    "NotImplementedError": raising(NotImplementedError()),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_of_ours_is_seen_as_what_it_is(name, monkeypatch, asked):
    monkeypatch.setattr("claude_jupyter.client.transport.Accumulator", lambda: Broken(BUGS[name]))
    _, events = asked(answer(), retries=0)
    error = events[-1].error
    assert (
        isinstance(error, errors.InternalError)
        and name in str(error)
        and "bug in claude-jupyter" in str(error)
    )
    assert type(error.__cause__).__name__ == name and error.__cause__.__traceback__ is not None
    assert "could not be read" not in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    "events",
    [
        [b"data: {}\n\n"],
        [b'event: message_start\ndata: {"type": "message_start"}\n\n'],
        [b'event: message_start\ndata: {"type": "message_start", "message": 3}\n\n'],
        [b"event: message_start\ndata: {broken\n\n"],
        [b"event: message_start\ndata: [1]\n\n"],
        [*text_events("Yes.")[:1], b'event: content_block_start\ndata: {"type": "content_block_start"}\n\n'],
        [
            *text_events("Yes.")[:1],
            b'event: content_block_start\ndata: {"type": "content_block_start", "index": "x", '
            b'"content_block": {"type": "text", "text": ""}}\n\n',
        ],
        [
            *text_events("Yes.")[:2],
            b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": {"type": '
            b'"text_delta", "text": 5}}\n\n',
        ],
        [*text_events("Yes.")[:2], b'event: content_block_delta\ndata: {"type": "content_block_delta"}\n\n'],
    ],
)
def test_what_the_endpoint_sends_amiss_is_not_called_a_bug_of_ours(events, asked):
    _, told = asked(Play(events), retries=0)
    assert told[-1].error is not None and not isinstance(told[-1].error, errors.InternalError), told[-1].error


@pytest.mark.parametrize("change", ["message", "continued", "model"])
def test_the_text_of_an_error_is_the_line_that_is_shown(change):
    error = errors.NotFoundError("There is no such thing.", status=404)
    if change == "message":
        error.message = "Another text."
    elif change == "continued":
        error = continued(error, arrived=True)
    else:
        with raw_server(failure(404, "not_found_error", "model: claude-opuss")) as server:
            service = Service(Settings())
            service.client = anthropic.Anthropic(api_key=KEY, base_url=server.url)
            unknown = Request({**REQUEST.params, "model": "claude-opuss"})
            error = list(service.send(unknown, Stop()))[-1].error
            service.client.close()
            assert "did you mean" in str(error)
    assert error._render_traceback_() == [f"NotFoundError: {error}"] and error.args == (str(error),)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status) == (str(error), error.status)


def test_an_error_in_mid_stream_has_the_status_of_its_type():
    request = httpx2.Request("POST", "http://x/")
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = anthropic.APIStatusError("x", response=httpx2.Response(200, request=request), body=body)
    told = translate(error, model="m")
    assert type(told) is errors.OverloadedError and told.status == 529


def test_keys_are_cut_out():
    assert clean("a sk-ant-api03-abcdefgh\n b") == "a [key] b"


def status_error(headers, status=429):
    request = httpx2.Request("POST", "http://x/")
    response = httpx2.Response(status, headers=headers, request=request)
    return anthropic.APIStatusError("busy", response=response, body=None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 21 Oct 99999999 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_when_the_service_says_to_try_again(headers, seconds):
    assert retry_after(status_error(headers)) == seconds


def test_a_date_in_the_future():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 20 < retry_after(status_error({"retry-after": date})) <= 31


def test_pauses_double_and_a_long_wait_is_given_up():
    waits = [pause(status_error({}), n) for n in range(6)]
    assert all(
        low <= w <= high
        for w, low, high in zip(waits, [0.37, 0.75, 1.5, 3, 6, 6], [0.5, 1, 2, 4, 8, 8], strict=True)
    )
    assert pause(status_error({"retry-after": "60"}), 0) == 60
    assert pause(status_error({"retry-after": "61"}), 0) is None


@pytest.mark.parametrize(
    ("status", "headers", "again"),
    [(400, {}, False), (401, {}, False), (408, {}, True), (409, {}, True), (429, {}, True), (500, {}, True),
     (529, {}, True), (500, {"x-should-retry": "false"}, False), (400, {"x-should-retry": "true"}, True)],
)  # fmt: skip
def test_what_is_tried_again(status, headers, again):
    assert worth_retrying(status_error(headers, status)) is again


# -- the service --------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked():
    """`asked(play)`: the events of one question to a server that plays it."""
    opened = []

    def ask(*plays, retries=1, stop=None):
        context = raw_server(*plays)
        server = context.__enter__()
        client = anthropic.Anthropic(api_key=KEY, base_url=server.url)
        opened.extend([context, client])
        settings = Settings()
        settings.max_retries = retries
        service = Service(settings)
        service.client = client
        return server, list(service.send(REQUEST, stop or Stop()))

    yield ask
    for thing in opened:
        thing.close() if hasattr(thing, "close") else thing.__exit__(None, None, None)


def test_a_long_wait_is_named_and_not_waited(asked):
    began = time.monotonic()
    server, events = asked(failure(429, "rate_limit_error", "slow down", retry_after="3600"))
    assert isinstance(events[-1], Reply) and "3600 s" in events[-1].error.message
    assert len(server.requests) == 1 and time.monotonic() - began < 30


def test_a_busy_service_is_asked_again(asked):
    server, events = asked(failure(529, "overloaded_error", "busy", retry_after_ms="5"), answer("At last."))
    assert isinstance(events[0], Waiting) and "529" in events[0].reason
    assert events[-1].complete and len(server.requests) == 2


@pytest.mark.parametrize(
    "play",
    [
        Play([b"<html>oops</html>"], type="text/html"),
        Play([]),
        Play([b"event: message_start\ndata: {broken\n\n"]),
        Play([b"data: {}\n\n"]),
        Play([End.RESET]),
        Play([b"\x00\xff" * 100]),
    ],
)
def test_a_200_that_is_no_answer_is_one_line(asked, play):
    _, events = asked(play, retries=0)
    assert not events[-1].complete and events[-1].error is not None
    assert "\n" not in events[-1].error.message


def test_a_stop_that_came_first(asked):
    stop = Stop()
    stop.request()
    _, events = asked(answer(), stop=stop)
    assert isinstance(events[-1], Reply) and not events[-1].error


def test_a_client_of_ones_own():
    service = Service(Settings())
    with pytest.raises(errors.UsageError, match="client of the SDK"):
        service.client = object()
    asynchronous = anthropic.AsyncAnthropic(api_key=KEY)
    with pytest.raises(errors.UsageError, match="synchronous"):
        service.client = asynchronous
    own = anthropic.Anthropic(api_key=KEY, base_url="http://127.0.0.1:9/mine")
    service.client = own
    service._settings.provider = "demo"
    assert service.client is own and service.provider == "anthropic"
    own.close()
