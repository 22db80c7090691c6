"""The service as the conversation sees it: send a request, receive events as they arrive, stop at any moment."""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Generator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from claude_jupyter import errors
from claude_jupyter.client.credentials import make_client
from claude_jupyter.client.events import Arrived, Event, Reply, Request, Waiting
from claude_jupyter.client.models_api import CatalogUpdater
from claude_jupyter.client.network import stay
from claude_jupyter.client.sdk_errors import (
    continued,
    nearest_models,
    pause,
    reason,
    translate,
    worth_retrying,
)
from claude_jupyter.client.transport import Stop, Wire, apart, watch
from claude_jupyter.encodable import encodable_all
from claude_jupyter.interrupts import LONGEST_WAIT, uninterrupted
from claude_jupyter.models import LINES, Catalog
from claude_jupyter.providers import named, of_client, spelled
from claude_jupyter.settings import Settings

TICK = 0.05
"""Seconds between two looks at what arrived: about 20 a second."""

_CONNECT = 10.0
_LAST_WORD = 2.0
"""Seconds that `message_stop` is waited for once the stop reason and the final usage have come."""


class Service:
    """The provider of the settings, or the user's own SDK client.

    Parameters
    ----------
    settings
        `provider`, `base_url`, `timeout` and `max_retries` are read at each request.
    folder
        The notebook's own folder (for `.env`).
    told
        Where is kept what the Models API told; None: it is asked about unknown models only.

    Attributes
    ----------
    catalog
        What is known of its models.
    limits
        The rate-limit headers of the newest answer that began.
    """

    def __init__(
        self, settings: Settings, folder: Path | None = None, *, known_models: Path | None = None
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._current: _Current | None = None
        self._bare: tuple[Any, Any] | None = None
        self._wires: set[Wire] = set()
        self.key: str | None = None
        self.catalog = Catalog()
        self._learner = CatalogUpdater(self.catalog, known_models)
        self.limits: Mapping[str, str] = {}
        settings.observe(self._forget, names=["provider", "base_url", "timeout", "max_retries"])

    @property
    def client(self) -> Any:
        """The SDK client in use, made on first use; assign one to bring your own.

        Raises
        ------
        AuthenticationError
            If no key is found.
        """
        # A forked kernel must not share its parent's connections, and a key set after loading must be seen.
        signature = (os.getpid(), self.key, *(os.environ.get(n) for n in _WATCHED))
        current = self._current
        if current is None or not (current.own or current.signature == signature):
            self._forget()
            client = make_client(self._settings, folder=self._folder, key=self.key)
            # Threads that get here at once may each make one; the last is kept, and each asks with one that works.
            self._current = current = _Current(client, signature)
        return current.client

    @client.setter
    def client(self, client: Any) -> None:
        import httpx2

        if client is not None and not hasattr(client, "messages"):
            raise errors.UsageError(
                "claude.client takes a client of the SDK, such as anthropic.Anthropic(…)."
            )
        if type(client).__name__.startswith("Async"):
            raise errors.UsageError(
                f"claude.client takes the synchronous client ({type(client).__name__[5:]}); aask and astream work with it too."
            )
        http = getattr(client, "_client", None)
        if isinstance(http, httpx2.Client):
            stay(http)
        self._current = _Current(client, own=True) if client is not None else None

    @property
    def _own(self) -> Any:
        """The user's own client; None if we make one."""
        current = self._current
        return current.client if current is not None and current.own else None

    @property
    def provider(self) -> str:
        """The provider of the settings, or what the user's own client speaks to."""
        own = self._own
        return self._settings.provider if own is None else of_client(own)

    @property
    def condenses(self) -> bool:
        """Whether the provider condenses conversations that outgrow the context."""
        return named(self.provider).condenses

    @property
    def reachable(self) -> bool:
        """Whether there is a client to ask with: one of the user's own, or a key."""
        try:
            return self.client is not None
        except errors.ClaudeError:
            return False

    def send(self, request: Request, stop: Stop, *, keep_events: bool = False) -> Generator[Event]:
        """Send a request; yield what arrives, at most 20 times a second and the first at once; last a `Reply`.

        A KeyboardInterrupt while it waits counts as `stop`; one raised in the caller's code between two events does not end
        it: ask `stop` and continue to the `Reply`. Never raises for what the service or the network does: that is in the `Reply`.
        """
        retries = self._settings.max_retries
        for attempt in range(retries + 1):
            reply: Reply | None = None
            for event in self._attempt(request, stop, keep_events):
                if isinstance(event, _Failed):
                    wait = pause(event.error, attempt) if worth_retrying(event.error) else None
                    if wait is None or attempt == retries:
                        reply = event.reply
                        break
                    yield Waiting(reason(event.error), wait, attempt + 2, retries + 1)
                    if _slept_until_stopped(wait, stop):
                        reply = event.reply._replace(stopped=True, error=None)
                    break
                yield event
                if isinstance(event, Reply):
                    return
            if reply is not None:
                yield reply
                return

    def _attempt(self, request: Request, stop: Stop, keep_events: bool) -> Generator[Event | _Failed]:
        began = time.monotonic()
        first: float | None = None
        try:
            call = self._call(request)
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            yield Reply({}, False, False, self._translated(error, request), None, None, 0.0)
            return
        wire = Wire(call, keep_events=keep_events)
        self._wires.add(wire)
        try:
            wire.start()
            with stop.ringing(wire.bell), stop.ringing(wire.over):
                announced: float | None = None
                while not wire.ended and not stop.requested:
                    wire.wait(LONGEST_WAIT if announced is None else TICK)
                    if announced is None and wire.accumulator.stop_known:
                        announced = time.monotonic()
                    elif announced is not None and time.monotonic() - announced > _LAST_WORD:
                        break
                    changes = tuple(wire.accumulator.drain())
                    raw = tuple(wire.take_events())
                    if changes or raw:
                        if first is None:
                            first, self.limits = time.monotonic() - began, wire.limits
                        yield Arrived(changes, wire.accumulator.usage, raw)
                        wire.over.wait(TICK)
        except KeyboardInterrupt:
            stop.request()
        finally:
            if not wire.ended:
                wire.abandon()
                wire.join(TICK)
            self._wires.discard(wire)
        changes, raw = tuple(wire.accumulator.drain()), tuple(wire.take_events())
        if changes or raw:
            first = first or time.monotonic() - began
            yield Arrived(changes, wire.accumulator.usage, raw)
        yield self._ending(wire, request, stop.requested, first, time.monotonic() - began)

    def _ending(
        self, wire: Wire, request: Request, stopped: bool, ttft: float | None, seconds: float
    ) -> Reply | _Failed:
        gathered = wire.accumulator
        complete = gathered.finished or (gathered.stop_known and not stopped)
        stopped = stopped and not complete
        refused = getattr(wire.error, "status_code", None) is not None
        silent = stopped and not gathered.started and not refused
        reply = Reply(gathered.result(), complete, stopped, None, wire.request_id, ttft, seconds, silent)
        if complete or stopped:
            return reply
        arrived = bool(reply.message.get("content"))
        if wire.error is not None:
            reply = reply._replace(
                error=continued(self._translated(wire.error, request), arrived),
                request_id=wire.request_id or getattr(wire.error, "request_id", None),
            )
            return reply if gathered.started else _Failed(reply, wire.error)
        if not gathered.started:
            odd = "The endpoint answered, but not in the format of the Messages API (no events arrived). Check base_url and proxies."
            return reply._replace(error=errors.APIResponseError(odd, status=200, request_id=wire.request_id))
        broken = errors.APIConnectionError(
            "The answer was cut off. Run the cell again.", request_id=wire.request_id
        )
        return reply._replace(error=continued(broken, arrived))

    def _call(self, request: Request) -> Any:
        """A function that opens the stream; everything that can be refused beforehand is refused here."""
        import httpx2

        client = self._without_retries()
        watch(client._client)
        extra = dict(request.extra)
        timeout = extra.pop("timeout", None) or (self._settings.timeout if self._own is None else None)
        if timeout is not None:
            extra["timeout"] = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT))
        if request.betas:
            create = client.beta.messages.create
            extra["betas"] = list(request.betas)
        else:
            create = client.messages.create
        params = {
            **request.params,
            "model": spelled(self.provider, str(request.params["model"]), self._own),
        }
        # What the SDK has no name for yet is a parameter all the same.
        if newer := {key: params.pop(key) for key in list(params) if not _takes(create, key)}:
            extra["extra_body"] = {**newer, **(extra.get("extra_body") or {})}
        params, extra = encodable_all(params), encodable_all(extra)
        return lambda: create(**params, **extra, stream=True)

    def _without_retries(self) -> Any:
        """The client with retries left to us; kept, because a copy may fetch a cloud's token anew."""
        client = self.client
        if self._bare is None or self._bare[0] is not client:
            self._bare = (client, client.with_options(max_retries=0))
        return self._bare[1]

    def count(self, request: Request) -> int:
        """Prompt tokens by the service's own counting (free).

        Raises
        ------
        ClaudeError
            As for a question.
        """
        names = ("messages", "model", "system", "tools", "tool_choice", "thinking", "output_config")
        params = encodable_all({k: v for k, v in request.params.items() if k in names})
        params["model"] = spelled(self.provider, str(params["model"]), self._own)
        self._may_ask()
        if not named(self.provider).counts:
            raise errors.UsageError(f"{named(self.provider).title} does not count tokens.")
        client = self.client
        try:
            if request.betas:  # blocks of the history may need them
                betas = list(request.betas)
                counted = apart(lambda: client.beta.messages.count_tokens(**params, betas=betas))
            else:
                counted = apart(lambda: client.messages.count_tokens(**params))
            return int(counted.input_tokens)
        except Exception as error:
            raise self._translated(error, request) from None

    def counted(self, request: Request) -> int | None:
        """`count`, or None if the service cannot be asked."""
        try:
            return self.count(request)
        except errors.ClaudeError:
            return None

    def learn(self, model: str, *, ask: bool = False) -> None:
        """Let the Models API tell what models take, if there is a key; never a failure of ours.

        Parameters
        ----------
        ask
            Whether the question depends on it (it sets an effort, thinking …).
        """
        if self.provider != "anthropic":
            return
        if self._settings.replay != "off":
            self.catalog.forget()  # the same request on every machine, whatever each was told
            return
        try:
            client = self._without_retries()
        except errors.ClaudeError:
            return  # no key: said where it is needed
        self._learner.refresh(client, ask=ask)
        self._learner.one(client, model)

    def check(self, model: str) -> None:
        """Refuse a name that cannot be a model's: at a gateway, or in a cloud, names may be anything but a slip of ours.

        Raises
        ------
        NotFoundError
            Naming the nearest.
        """
        listed = self.catalog.known(model) or model in self._settings.prices
        if listed or self.provider not in ("anthropic", "demo"):
            return
        slip = model.isalpha() and get_close_matches(model.lower(), LINES, n=1, cutoff=0.75)
        if slip or (self._direct and not model.startswith("claude-")):
            raise errors.NotFoundError(f"There is no model {model!r}{nearest_models(model)}")

    @property
    def _direct(self) -> bool:
        """Whether the service itself is asked, and no gateway."""
        if self.provider == "demo":
            return True
        try:
            return urlsplit(str(self.client.base_url)).hostname == "api.anthropic.com"
        except errors.ClaudeError:
            return not self._settings.base_url

    def models(self) -> list[Mapping[str, Any]]:
        """The models that the service lists for this key, as plain dicts.

        Raises
        ------
        ClaudeError
            As for a question.
        """
        self._may_ask()
        if not named(self.provider).lists_models:
            raise errors.UsageError(f"{named(self.provider).title} does not list its models.")
        client = self.client
        try:
            listed = apart(lambda: [m.to_dict() for m in client.models.list(limit=100)])
        except Exception as error:
            raise self._translated(error, Request({"model": ""})) from None
        if self._settings.replay == "off":
            self._learner.take(listed)
        return listed

    def _may_ask(self) -> None:
        if self._settings.replay == "only":
            raise errors.ReplayError('replay = "only" never uses the network.')

    def _translated(self, error: BaseException, request: Request) -> errors.ClaudeError:
        model = str(request.params.get("model"))
        unset = named(self.provider).unset(self.provider, error)
        if unset is not None:
            return errors.AuthenticationError(unset)
        translated = translate(error, model=model)
        if isinstance(translated, errors.NotFoundError) and not self.catalog.known(model):
            translated.message = f"There is no model {model!r}{nearest_models(model)}"
        return translated

    def _forget(self, _change: Any = None) -> None:
        old = self._current
        if old is None or old.own:
            return
        self._current = None
        # A client with requests in progress goes with the last of them; that of a forked kernel's parent is not ours.
        if not self._wires and old.signature[0] == os.getpid():
            with uninterrupted():  # the pool of connections has a lock
                old.client.close()


def _slept_until_stopped(seconds: float, stop: Stop) -> bool:
    try:
        return stop.sleep(seconds)
    except KeyboardInterrupt:
        stop.request()
        return True


class _Current(NamedTuple):
    """The client in use, and what it was made for; replaced as a whole, so that it needs no lock."""

    client: Any
    signature: tuple[Any, ...] = ()
    own: bool = False


class _Failed(NamedTuple):
    """An attempt that got no answer at all, and may be tried again."""

    reply: Reply
    error: BaseException


_WATCHED = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_CONFIG_DIR",
    "ANTHROPIC_CUSTOM_HEADERS",
    *(
        cased
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        for cased in (name, name.lower())
    ),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def warm() -> None:
    """Import the SDK, which costs seconds, so that the first question does not pay for it."""
    import anthropic  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _takes(create: Any, name: str) -> bool:
    """Whether a method of the SDK takes a parameter by this name."""
    accepted = _parameters(getattr(create, "__func__", create))
    return accepted is None or name in accepted


@functools.cache
def _parameters(function: Any) -> frozenset[str] | None:
    """The names a function takes; None if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)
