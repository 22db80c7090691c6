"""Every error a user can meet, as one clear line: what happened, and what to do next.

The names follow the SDK's own (`anthropic.RateLimitError` → `claude_jupyter.errors.RateLimitError`), so that Python code
can catch them without importing the SDK. Turning SDK and transport failures into these is `client/sdk_errors.py`'s job.
"""

from __future__ import annotations


class ClaudeError(Exception):
    """An error reported in one or two lines, without a traceback from this package.

    Parameters
    ----------
    message
        What happened and what to do next; never a key, never a path of the machine.
    status
        The HTTP status, if there was one; for an error in mid-stream, the status its type has before a stream (529).
    retry_after
        Seconds after which the service asked to try again.
    request_id
        The service's id for the request, to quote to its support.
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
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def message(self) -> str:
        """What happened and what to do next; `str(error)` is the same text, even if it was changed later."""
        return str(self.args[0])

    @message.setter
    def message(self, text: str) -> None:
        self.args = (text,)

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting a traceback (IPython.core.interactiveshell.showtraceback).
        return [f"{type(self).__name__}: {self.message}"]


class UsageError(ClaudeError):
    """A magic's line that is not valid: an unknown option, a wrong value, a name that does not exist."""


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
    """A structured answer that does not match the requested type."""


class StoppedError(ClaudeError):
    """A question that was stopped; what arrived is kept."""


class RefusalError(ClaudeError):
    """The model declined to answer (`stop_reason` "refusal")."""


class MissingExtraError(ClaudeError):
    """An optional dependency that the request needs is not installed."""


class InternalError(ClaudeError):
    """A bug in this package: the line says what it is and where; `__cause__` is the original error."""


class APIError(ClaudeError):
    """An error reported by the service, or on the way to it."""


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


class PreconditionFailedError(APIError):
    """412."""


class ContentTooLargeError(APIError):
    """413, or a request refused before sending because it would be too large."""


class UnprocessableEntityError(APIError):
    """422."""


class RequestHeaderFieldsTooLargeError(APIError):
    """431."""


class ClientClosedRequestError(APIError):
    """499."""


class RateLimitError(APIError):
    """429: the rate limit or a spend limit."""


class InternalServerError(APIError):
    """500 and similar."""


class HTTPNotImplementedError(InternalServerError):
    """501."""


class ServiceUnavailableError(InternalServerError):
    """503."""


class GatewayTimeoutError(InternalServerError):
    """504."""


class OverloadedError(InternalServerError):
    """529, or an `overloaded_error` in the stream."""


class APIConnectionError(APIError):
    """The service could not be reached, or the connection broke."""


class APITimeoutError(APIConnectionError):
    """Nothing arrived within `timeout` seconds."""


class RequestTimeoutError(APITimeoutError):
    """408: the service itself gave up waiting."""


class APIResponseError(APIError):
    """A 200 that is not an answer: empty, HTML, or a stream that cannot be read."""


class McpError(ClaudeError):
    """An MCP server that cannot be started or reached, is not allowed yet, or failed."""
