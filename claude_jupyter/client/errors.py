"""SDK and transport failures → `ClaudeError`: one line that says what happened and what to do next."""

from __future__ import annotations

import re
from typing import Any

from claude_jupyter import errors, models
from claude_jupyter.client.retry import retry_after, unsendable
from claude_jupyter.option_values import did_you_mean

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.PaymentRequiredError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.APITimeoutError,
    409: errors.ConflictError,
    413: errors.ContentTooLargeError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
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
    401: "The key was not accepted. Set another with %claude_key, or correct ANTHROPIC_API_KEY.",
    402: "The account cannot be billed: see its billing page in the Anthropic console.",
    403: "This key may not do that: check its workspace, or use another with %claude_key.",
    408: "The service gave up waiting. Run the cell again.",
    409: "The service is busy with a conflicting request. Run the cell again.",
    413: "The request is too large (32 MB at most): attach less, or smaller images and files.",
    429: "Rate limit reached. Wait a little, then run the cell again, or use another model.",
    529: "The service is overloaded. Wait a little, then run the cell again, or use another model.",
}
_TOO_LONG = re.compile(r"prompt is too long|exceed(s|ed)? (the )?(context|maximum)|context window", re.I)
_CREDIT = re.compile(r"credit balance|billing", re.I)
_KEY = re.compile(r"sk-[A-Za-z0-9_-]{8,}")

NO_KEY = (
    "No key. Enter one with %claude_key, set ANTHROPIC_API_KEY, or try without: "
    '%config ClaudeMagics.provider = "demo".'
)


def translate(error: BaseException, *, model: str, provider: str = "anthropic") -> errors.ClaudeError:
    """The `ClaudeError` that tells a user what this failure means.

    Parameters
    ----------
    error
        Anything raised while opening or reading a stream.
    model
        The model that was asked, to name its neighbours when it does not exist.
    """
    import anthropic
    import httpx2

    if isinstance(error, errors.ClaudeError):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _status(error, model)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return errors.APITimeoutError(
            "No answer in time. Run the cell again, or raise %config ClaudeMagics.timeout."
        )
    if isinstance(error, UnicodeEncodeError) or unsendable(error):
        # Not the cause's own words: they hold the key.
        return errors.AuthenticationError(
            "The key, or a header, holds a character that cannot be sent (a line break, a letter with an accent?). "
            "Enter the key anew with %claude_key."
        )
    if isinstance(error, anthropic.APIConnectionError):
        return errors.APIConnectionError(
            f"Could not reach the service{_reason(error.__cause__)}. Check the network, proxy and base_url, then run the cell again."
        )
    if isinstance(error, httpx2.DecodingError):
        return errors.APIResponseError(
            "What came back is not packed as it says. Check base_url and proxies, then run the cell again."
        )
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return errors.APIConnectionError("The connection broke in mid-answer. Run the cell again.")
    if isinstance(error, anthropic.AnthropicError):
        return errors.AuthenticationError(f"{clean(str(error))} See `claude-jupyter check`.")
    if isinstance(error, TypeError) and "authentication" in str(error):
        return errors.AuthenticationError(NO_KEY)
    if isinstance(error, TypeError | ValueError):
        return errors.APIResponseError(
            f"What came back, or what was asked, could not be read ({clean(str(error))[:200]}). "
            f"Check base_url and --param."
        )
    return errors.APIResponseError(
        f"What came back could not be read ({type(error).__name__}: {clean(str(error))[:200]}). "
        "Check base_url and proxies, then run the cell again."
    )


def continued(error: errors.ClaudeError, arrived: bool) -> errors.ClaudeError:
    """The same failure in mid-answer: with what becomes of what arrived before it, if anything did."""
    if arrived:
        told = error.message.removesuffix(" Run the cell again.")
        error.message = f"{told} What arrived is kept; claude.resume() continues from there."
        error.args = (error.message,)
    return error


def _status(error: Any, model: str) -> errors.APIError:
    status: int = error.status_code
    if status == 200:  # an `error` event inside the stream: the SDK leaves the class to us
        status = _BY_TYPE.get(getattr(error, "type", None) or "", 500)
    cls = _BY_STATUS.get(status, errors.InternalServerError if status >= 500 else errors.APIError)
    said = _said(error)
    wait = retry_after(error)
    if status == 404 and "model" in said.lower():
        message = f"There is no model {model!r}{nearest_models(model)}"
        if models.known(model):
            message = f"This key cannot use the model {model!r} ({said}). Choose another with -m; claude.models lists them."
    elif status == 404 and not said.lower().startswith("file"):
        message = f"There is nothing at that address (404: {said or 'not found'}). Check base_url (or ANTHROPIC_BASE_URL)."
    elif status == 400 and _CREDIT.search(said):  # the service says 400, not 402, where credit is used up
        message = f"{_ADVICE[402]} ({said})"
    elif status == 400 and _TOO_LONG.search(said):
        message = f"The conversation is too long for {model} ({said}). Begin afresh with -n, use --once, or attach less."
    elif status == 429 and "spend" in (getattr(error, "error_code", None) or said).lower():
        message = f"A spend limit is reached: {said}. It resets or is raised in the Anthropic console."
    elif status == 429 and wait:
        message = f"Rate limit reached; the service asks to wait {wait:.0f} s. Run the cell again then, or use another model."
    elif status in _ADVICE:
        message = _ADVICE[status] + (f" ({said})" if status in (402, 403, 413) and said else "")
    elif status >= 500:
        message = f"The service failed ({status}). Run the cell again; if it goes on, see its status page."
    else:
        message = f"The service refused the request: {said or status}. Change what it names; --dry-run shows what is sent."
    return cls(message, status=status, retry_after=wait, request_id=error.request_id)


def _said(error: Any) -> str:
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
