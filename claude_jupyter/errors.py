"""Every failure a user can meet, as one clear line: what happened, and what to do next.

The names follow the SDK's own (`anthropic.RateLimitError` → `claude_jupyter.errors.RateLimitError`), so that Python code
can catch them without importing the SDK. Turning SDK and transport failures into these is `client/errors.py`'s job.
"""

from __future__ import annotations


class ClaudeError(Exception):
    """A failure told in one or two lines, without a traceback of ours.

    Parameters
    ----------
    message
        What happened and what to do next; never a key, never a path of the machine.
    status
        The HTTP status, where there was one; of an error in mid-stream the one that its type has before a stream (529).
    retry_after
        Seconds after which the service said to try again.
    request_id
        The service's id of the request, for its support.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting a traceback (IPython.core.interactiveshell.showtraceback).
        return [f"{type(self).__name__}: {self.message}"]


class UsageError(ClaudeError):
    """A magic's line that cannot be read: an unknown option, a wrong value, a name that does not exist."""


class SettingError(ClaudeError):
    """A setting with a value that is not allowed."""


class AttachmentError(ClaudeError):
    """A value or file that cannot be shown to Claude."""


class BudgetError(ClaudeError):
    """A question that a budget does not allow; nothing was sent."""


class ReplayError(ClaudeError):
    """A question that `replay = "only"` has no recording for; nothing was sent."""


class StorageError(ClaudeError):
    """A saved conversation, journal or ledger that cannot be read or written."""


class ReturnsError(ClaudeError):
    """A structured answer that does not fit the type it was asked for."""


class StoppedError(ClaudeError):
    """A question that was stopped; what arrived is kept."""


class RefusalError(ClaudeError):
    """The model declined to answer (`stop_reason` "refusal")."""


class MissingExtraError(ClaudeError):
    """An optional dependency that the request needs and that is not installed."""


class APIError(ClaudeError):
    """A failure told by, or on the way to, the service."""


class BadRequestError(APIError):
    """400: the service could not accept the request."""


class AuthenticationError(APIError):
    """401, or no key at all."""


class PaymentRequiredError(APIError):
    """402: billing."""


class PermissionDeniedError(APIError):
    """403: the key may not do this."""


class NotFoundError(APIError):
    """404: usually a model that does not exist."""


class ConflictError(APIError):
    """409."""


class ContentTooLargeError(APIError):
    """413, or a request refused before sending because it would be too large."""


class UnprocessableEntityError(APIError):
    """422."""


class RateLimitError(APIError):
    """429: the rate limit or a spend limit."""


class InternalServerError(APIError):
    """500 and its kin."""


class OverloadedError(InternalServerError):
    """529, or an `overloaded_error` in the stream."""


class APIConnectionError(APIError):
    """The service could not be reached, or the connection broke."""


class APITimeoutError(APIConnectionError):
    """Nothing came within `timeout` seconds."""


class APIResponseError(APIError):
    """A 200 that is not an answer: empty, HTML, or a stream that cannot be read."""
