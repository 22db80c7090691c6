"""A service that is away, busy, cut, or not the service at all: what came is kept, the rest is one clear line."""

from __future__ import annotations

import pytest
from support.asking import ask, assert_next_works, assert_one_clear_line
from support.kernel import ANSWER, Kernel
from support.kernel_fixtures import LOAD
from support.raw_server import End, Play, answer, failure, sse, text_events

TEXT = "The first half stays. The second half is lost."
EVENTS = text_events(TEXT, size=6)
HALF = EVENTS[: 3 + 4]


def test_a_connection_cut_before_the_headers_is_tried_again(kernel, server):
    server.reset(Play(before_headers=End.RESET), Play(before_headers=End.CUT), answer("At last."))
    done = ask(kernel)
    assert done.ok, done.error
    assert done.answer["text/plain"] == "At last."


def test_a_service_that_never_answers_is_given_up(kernel, server):
    server.reset(Play(before_headers=End.CUT))
    assert_one_clear_line(ask(kernel))
    assert len(server.requests) == 3
    assert_next_works(kernel, server)


@pytest.mark.parametrize("end", [End.CUT, End.RESET])
def test_a_connection_cut_within_the_answer_keeps_what_came(end, kernel, server):
    server.reset(Play([*HALF, end]))
    done = ask(kernel, cell_id="a")
    assert_one_clear_line(done)
    assert len(server.requests) == 1
    assert done.answer["text/plain"] == TEXT[:24]
    assert done.answer[ANSWER]["complete"] is False
    assert done.answer[ANSWER]["estimated"] is True
    assert_next_works(kernel, server)


def test_an_end_without_message_stop_is_not_taken_for_the_end(kernel, server):
    server.reset(Play(EVENTS[:-1]))
    done = ask(kernel)
    assert done.answer["text/plain"] == TEXT
    assert done.answer[ANSWER]["stop_reason"] == "end_turn"
    assert_next_works(kernel, server)


def test_a_quiet_early_end_keeps_what_came(kernel, server):
    server.reset(Play(HALF))
    done = ask(kernel)
    assert_one_clear_line(done)
    assert done.answer["text/plain"] == TEXT[:24]
    assert done.answer[ANSWER]["complete"] is False
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    "play",
    [
        Play([b"<!doctype html><html><body>Please sign in</body></html>"], type="text/html"),
        Play([b'{"ok": true}'], type="application/json"),
        Play([]),
        Play([b"\x00\xff\xfe garbage \x80\x81" * 50]),
        Play([b"event: message_start\ndata: {not json}\n\n"]),
        Play([b": only comments\n\n" * 20]),
    ],
    ids=["html", "json", "empty", "garbage", "broken-json", "comments"],
)
def test_a_200_that_is_not_an_answer(play, kernel, server):
    server.reset(play)
    assert_one_clear_line(ask(kernel))
    assert_next_works(kernel, server)


def test_an_error_within_the_stream_keeps_what_came(kernel, server):
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    server.reset(Play([*HALF, *sse([overloaded])]))
    done = ask(kernel)
    assert_one_clear_line(done)
    assert done.answer["text/plain"] == TEXT[:24]
    assert_next_works(kernel, server)


def test_a_busy_service_is_waited_for(kernel, server):
    busy = failure(429, "rate_limit_error", "Too many requests", retry_after="1")
    server.reset(busy, answer("Now."))
    done = ask(kernel)
    assert done.ok, done.error
    assert done.answer["text/plain"] == "Now."


def test_a_wait_that_is_too_long_is_named_instead(kernel, server):
    server.reset(failure(429, "rate_limit_error", "Too many requests", retry_after="3600"))
    assert_one_clear_line(ask(kernel))
    assert len(server.requests) == 1
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, "invalid_request_error", "BadRequestError"),
        (402, "billing_error", "PaymentRequiredError"),
        (403, "permission_error", "PermissionDeniedError"),
        (413, "request_too_large", "ContentTooLargeError"),
        (422, "invalid_request_error", "UnprocessableEntityError"),
        (500, "api_error", "InternalServerError"),
        (529, "overloaded_error", "OverloadedError"),
    ],
)
def test_each_refusal_has_its_name(status, kind, name, kernel, server):
    server.reset(failure(status, kind, "It is not to be.", x_should_retry="false"))
    done = ask(kernel)
    assert_one_clear_line(done, name)
    assert_next_works(kernel, server)


def warnings_of(kernel: Kernel) -> list[str]:
    """Load the extension and ask three times; what was warned of in each of the four cells."""
    done = [kernel.run(LOAD), *(ask(kernel, f"Question {i}") for i in range(3))]
    assert [d.ok for d in done] == [True] * 4, done[1].error
    assert [d.answer["text/plain"] for d in done[1:]] == ["Yes."] * 3
    notices = [[b["text"] for b in d.answers[0][ANSWER]["blocks"] if b["type"] == "notice"] for d in done[1:]]
    return [d.stderr + "".join(n) for d, n in zip(done, [[], *notices], strict=True)]


@pytest.mark.parametrize("how", ["folder is a file", "ledger in nowhere"])
def test_a_ledger_that_cannot_be_written_costs_one_warning(how, fresh_kernel, server, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = tmp_path / "file" / "data"
    env = {"CLAUDE_JUPYTER_DATA_DIR": str(blocked)}
    if how == "ledger in nowhere":
        env = {"CLAUDE_JUPYTER_LEDGER": str(blocked / "ledger.db")}
    warned = [told for told in warnings_of(fresh_kernel(env, load=False)) if told]
    assert len(warned) == 1, warned


def test_a_full_disk_costs_one_warning(fresh_kernel, server):
    kernel = fresh_kernel(load=False)
    full = kernel.run(
        "import resource, signal\n"
        "get_ipython().history_manager.enabled = False\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))"
    )
    assert full.ok, full.error
    warned = [told for told in warnings_of(kernel) if told]
    assert len(warned) == 1, warned
