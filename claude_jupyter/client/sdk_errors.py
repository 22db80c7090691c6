"""SDK and transport failures → `ClaudeError` (one line that says what happened and what to do next), and when to try again.

How long to wait is shown to the user and interruptible, hence not left to the SDK. The rules are the SDK's own
(`anthropic/_base_client.py`: 408, 409, 429, 5xx and connection failures, 0.5 s doubling to 8 s with up to 25 % off,
`x-should-retry` wins), except that `retry-after` is respected up to 60 s and then given up with the time named.
"""

from __future__ import annotations

import email.utils
import json
import random
import re
import ssl
import time
import traceback
from typing import Any

from claude_jupyter import errors, models
from claude_jupyter.options.option_values import did_you_mean

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.PaymentRequiredError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.RequestTimeoutError,
    409: errors.ConflictError,
    412: errors.PreconditionFailedError,
    413: errors.ContentTooLargeError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
    431: errors.RequestHeaderFieldsTooLargeError,
    499: errors.ClientClosedRequestError,
    501: errors.HTTPNotImplementedError,
    503: errors.ServiceUnavailableError,
    504: errors.GatewayTimeoutError,
    529: errors.OverloadedError,
}
_BY_TYPE: dict[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 408,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}
_ADVICE: dict[int, str] = {
    401: "The key was not accepted. Enter another one with %claude_key, or correct ANTHROPIC_API_KEY.",
    402: "The account cannot be billed: see its billing page in the Anthropic console.",
    403: "This key does not have permission for that: check its workspace, or enter another key with %claude_key.",
    408: "The service timed out. Run the cell again.",
    409: "The service is busy with a conflicting request. Run the cell again.",
    413: "The request is too large (32 MB at most): attach less, or smaller images and files.",
    429: "Rate limit reached. Wait a moment, then run the cell again, or use another model.",
    529: "The service is overloaded. Wait a moment, then run the cell again, or use another model.",
}
_TOO_LONG = re.compile(r"prompt is too long|exceed(s|ed)? (the )?(context|maximum)|context window", re.I)
_CREDIT = re.compile(r"credit balance|billing", re.I)
_SPENT = re.compile(r"spend|usage limits", re.I)
_KEY = re.compile(r"sk-[A-Za-z0-9_-]{8,}")

LONGEST = 60.0
"""Seconds an interactive cell waits at most when the service names a time."""

NO_KEY = (
    "No key. Enter one with %claude_key, set ANTHROPIC_API_KEY, or try the offline demo: "
    '%config ClaudeMagics.provider = "demo".'
)


def translate(error: BaseException, *, model: str) -> errors.ClaudeError:
    """The `ClaudeError` that tells a user what this failure means.

    What the SDK, its HTTP library and Pydantic raise is put into words; anything else is a bug of ours and is said to be one.

    Parameters
    ----------
    error
        Anything raised while opening or reading a stream.
    model
        The model that was asked, to name its neighbors when it does not exist.
    """
    import anthropic
    import httpx2

    own = next((e for e in (error, error.__cause__) if isinstance(e, errors.ClaudeError)), None)
    if own is not None:  # raised by a hook of ours inside the SDK's call
        return own
    if isinstance(error, anthropic.APIStatusError):
        return _status(error, model)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return errors.APITimeoutError(
            "Timed out waiting for an answer. Run the cell again, or raise %config ClaudeMagics.timeout."
        )
    if unsendable(error) or isinstance(error, UnicodeEncodeError):
        return _not_sent(error)
    if isinstance(error, anthropic.APIConnectionError):
        return _unreachable(error)
    if isinstance(error, httpx2.DecodingError):
        return errors.APIResponseError(
            "The response is not compressed the way its headers say. Check base_url and proxies, then run the cell again."
        )
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return errors.APIConnectionError(
            "The connection was lost before the answer was complete. Run the cell again."
        )
    if isinstance(error, anthropic.AnthropicError) and not isinstance(error, anthropic.APIError):
        return errors.AuthenticationError(f"{clean(str(error))} See `claude-jupyter check`.")
    if isinstance(error, TypeError) and "authentication" in str(error):
        return errors.AuthenticationError(NO_KEY)
    if not _of_libraries(error):
        return _internal(error)
    return _unreadable(error)


def _not_sent(error: BaseException) -> errors.ClaudeError:
    if unsendable(error):
        # Not the cause's own words: they hold the key.
        return errors.AuthenticationError(
            "The key or a header contains a character that cannot be sent (such as a line break or an accented letter). "
            "Enter the key again with %claude_key."
        )
    return errors.BadRequestError(
        "The request contains text that cannot be encoded as UTF-8 (such as half of a surrogate pair, or a raw byte "
        "from a file name). Clean it with text.encode('utf-8', 'replace').decode()."
    )


def _unreadable(error: BaseException) -> errors.APIResponseError:
    if isinstance(error, TypeError | ValueError) and not isinstance(error, json.JSONDecodeError):
        return errors.APIResponseError(
            f"The request or its response could not be read ({clean(str(error))[:200]}). "
            f"Check base_url and --param."
        )
    return errors.APIResponseError(
        f"The response could not be read ({type(error).__name__}: {clean(str(error))[:200]}). "
        "Check base_url and proxies, then run the cell again."
    )


def _unreachable(error: BaseException) -> errors.APIConnectionError:
    causes = _chain(error)
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in causes):
        return errors.APIConnectionError(
            f"The endpoint's certificate is not accepted{_reason(error.__cause__)}. Behind a company's proxy, set SSL_CERT_FILE to "
            "its CA file and run the cell again (REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are not read)."
        )
    return errors.APIConnectionError(
        f"Could not reach the service{_reason(error.__cause__)}. Check the network, proxy and base_url, then run the cell again."
    )


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and what it came from."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def unreadable(event: Any, error: Exception) -> Exception:
    """Why an event of a stream could not be taken in: it is not what the SDK's own type says, or else the bug is ours."""
    import pydantic

    try:
        type(event).model_validate(event.to_dict(mode="json", warnings=False))
    except (pydantic.ValidationError, AttributeError, TypeError, ValueError) as invalid:
        translated = errors.APIResponseError(
            f"The response could not be read ({clean(str(error))[:200]}). Check base_url and proxies, then run the cell again."
        )
        translated.__cause__ = invalid
        return translated
    return error


_LIBRARIES = frozenset({"anthropic", "httpx2", "httpcore2", "h11", "h2", "pydantic", "pydantic_core"})


def _of_libraries(error: BaseException) -> bool:
    """Whether the SDK, its HTTP library or Pydantic raised it: by its class, or by the innermost place in their code or ours."""
    if type(error).__module__.partition(".")[0] in _LIBRARIES:
        return True
    place = _places(error)
    return bool(place) and place[-1][0] in _LIBRARIES


def _places(error: BaseException) -> list[tuple[str, str]]:
    """Where it passed on its way, outermost first: package and `file, line`, of packages that matter here."""
    places: list[tuple[str, str]] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in _LIBRARIES or package == __name__.partition(".")[0]:
            places.append((package, f"{frame.f_globals['__name__']}, line {line}"))
    return places


def _internal(error: BaseException) -> errors.InternalError:
    places = _places(error)
    where = f" in {places[-1][1]}" if places else ""
    bug = errors.InternalError(
        f"A bug in claude-jupyter: {type(error).__name__}{where} ({clean(str(error))[:200]}). Please report this line."
    )
    bug.__cause__ = error
    return bug


def continued(error: errors.ClaudeError, arrived: bool) -> errors.ClaudeError:
    """The same failure in mid-answer: with what happens to what arrived before it, if anything did."""
    if arrived:
        text = error.message.removesuffix(" Run the cell again.")
        error.message = f"{text} What arrived is kept; claude.resume() continues from there."
    return error


def _status(error: Any, model: str) -> errors.APIError:
    status: int = error.status_code
    if status == 200:  # an `error` event inside the stream: the SDK leaves the class to us
        status = _BY_TYPE.get(getattr(error, "type", None) or "", 500)
    cls = _BY_STATUS.get(status, errors.InternalServerError if status >= 500 else errors.APIError)
    wait = retry_after(error)
    message = _advice(error, status, model, wait)
    return cls(message, status=status, retry_after=wait, request_id=error.request_id)


def _advice(error: Any, status: int, model: str, wait: float | None) -> str:
    """What happened and what to do, for a status of the service."""
    reason = _service_message(error)
    if status == 404 and not reason.lower().startswith("file"):
        return _not_found(reason, model)
    if status == 400 and _CREDIT.search(reason):  # the service says 400, not 402, where credit is used up
        return f"{_ADVICE[402]} ({reason})"
    if status == 400 and _TOO_LONG.search(reason):
        return f"The conversation is too long for {model} ({reason}). Start over with -n, use --once, or attach less."
    if status in (400, 429) and _SPENT.search(f"{getattr(error, 'error_code', None)} {reason}"):
        return f"A spend limit was reached: {reason}. Wait until it resets, or raise it in the Anthropic console."
    if status == 429 and wait:
        return f"Rate limit reached; the service asks to wait {wait:.0f} s. Run the cell again after that, or use another model."
    if status in _ADVICE:
        return _ADVICE[status] + (f" ({reason})" if status in (402, 403, 413) and reason else "")
    if status >= 500:
        return (
            f"The service failed ({status}). Run the cell again; if it keeps failing, see status.claude.com."
        )
    return f"The service refused the request: {reason or status}. Correct what it mentions; --dry-run shows what is sent."


def _not_found(reason: str, model: str) -> str:
    if "model" not in reason.lower():
        return f"There is nothing at that address (404: {reason or 'not found'}). Check base_url (or ANTHROPIC_BASE_URL)."
    if models.known(model):
        return f"This key cannot use the model {model!r} ({reason}). Choose another with -m; claude.models lists them."
    return f"There is no model {model!r}{nearest_models(model)}"


def _service_message(error: Any) -> str:
    text = getattr(error, "api_message", None)
    if not text and isinstance(error.body, dict):
        inner = error.body.get("error")
        text = inner.get("message") if isinstance(inner, dict) else None
    return clean(str(text or ""))[:300].rstrip(".")


def _reason(cause: BaseException | None) -> str:
    text = clean(str(cause or ""))
    return f" ({text[:120]})" if text else ""


def clean(text: str) -> str:
    """One line, without anything shaped like a key."""
    return _KEY.sub("[key]", " ".join(text.split()))


def nearest_models(name: str) -> str:
    """`; did you mean claude-opus-5-5?`, or nothing."""
    names = [*models.LINES, *(m.id for m in models.MODELS)]
    return did_you_mean(name, names) or "; claude.models lists them."


def retry_after(error: Any) -> float | None:
    """Seconds the service asked to wait (`retry-after-ms`, `retry-after` in seconds or as a date), if it did."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after") or ""
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
    try:
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date is not None else None
    except (ValueError, OverflowError):
        return None


def worth_retrying(error: BaseException) -> bool:
    """Whether the same request may succeed later. Only for requests that were not answered at all."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        header = error.response.headers.get("x-should-retry")
        if header in ("true", "false"):
            return header == "true"
        if error.status_code == 200:  # an `error` event at the very start of a stream
            return error.type in ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
        if error.status_code == 429 and _SPENT.search(f"{error.error_code} {error.api_message}"):
            return False
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    final = (errors.ClaudeError, ssl.SSLCertVerificationError)
    refused = unsendable(error) or any(isinstance(e, final) for e in _chain(error))
    return isinstance(error, anthropic.APIConnectionError) and not refused


def unsendable(error: BaseException) -> bool:
    """Whether a header cannot be sent as it is: nearly always a key with a line break or an accented letter in it."""
    if isinstance(error, UnicodeEncodeError):
        return error.encoding == "ascii"  # how headers are encoded; bodies are UTF-8
    return "header value" in str(error.__cause__ or "").lower()


def pause(error: BaseException, attempt: int) -> float | None:
    """Seconds to wait before attempt `attempt + 1` (the first is 0); None when the service asks for too long a wait."""
    requested = retry_after(error)
    if requested is not None:
        return requested if requested <= LONGEST else None
    return min(0.5 * 2**attempt, 8.0) * (1 - 0.25 * random.random())


def reason(error: BaseException) -> str:
    """Why one waits, in a few words for the answer's status line."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        if error.status_code == 429:
            return "Rate limit reached (429)"
        if error.status_code in (529, 200):
            return "The service is busy (529)"
        return f"The service failed ({error.status_code})"
    if isinstance(error, anthropic.APITimeoutError):
        return "Timed out"
    return "The service cannot be reached"
