"""When to try again and how long to wait: shown to the user and interruptible, hence not left to the SDK.

The rules are the SDK's own (`anthropic/_base_client.py`: 408, 409, 429, 5xx and connection failures, 0.5 s doubling to 8 s with up to
25 % off, `x-should-retry` wins), except that `retry-after` is respected up to 60 s and then given up with the time named.
"""

from __future__ import annotations

import email.utils
import random
import time
from typing import Any

LONGEST = 60.0
"""Seconds an interactive cell waits at most when the service names a time."""


def retry_after(error: Any) -> float | None:
    """Seconds the service asked to wait (`retry-after-ms`, `retry-after` in seconds or as a date), if it did."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    told = headers.get("retry-after") or ""
    try:
        return max(0.0, float(told))
    except ValueError:
        date = email.utils.parsedate_tz(told)
    try:
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date is not None else None
    except (ValueError, OverflowError):
        return None


def worth_retrying(error: BaseException) -> bool:
    """Whether the same request may succeed later. Only for requests that were not answered at all."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        told = error.response.headers.get("x-should-retry")
        if told in ("true", "false"):
            return told == "true"
        if error.status_code == 200:  # an `error` event at the very start of a stream
            return error.type in ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
        if error.status_code == 429 and "spend" in f"{error.error_code} {error.api_message}".lower():
            return False
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, anthropic.APIConnectionError) and not unsendable(error)


def unsendable(error: BaseException) -> bool:
    """Whether a header cannot be sent as it is: nearly always a key with a line break in it."""
    return "header value" in str(error.__cause__ or "").lower()


def pause(error: BaseException, attempt: int) -> float | None:
    """Seconds to wait before attempt `attempt + 1` (the first is 0); None when the service asks for too long a wait."""
    asked = retry_after(error)
    if asked is not None:
        return asked if asked <= LONGEST else None
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
        return "No answer in time"
    return "The service cannot be reached"
