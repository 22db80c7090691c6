"""How the service refuses a request: a status, a type and a message, in its own error format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 408: "timeout_error", 409: "conflict_error", 413: "request_too_large",
    429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
"""https://platform.claude.com/docs/en/api/errors"""

WORDS: Final = {
    401: "Invalid bearer token", 402: "Your credit balance is too low to access the Anthropic API.",
    403: "Your API key does not have permission to use the specified resource.",
    429: "This request would exceed your account's rate limit. Please try again later.",
    500: "Internal server error", 529: "Overloaded",
}  # fmt: skip


class Refused(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        type: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.type = type or TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        self.message = WORDS.get(status, f"Error {status}") if message is None else message
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(f"{status} {self.type}: {self.message}")

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body."""
        return {"type": "error", "error": self.error(), "request_id": request_id}

    def error(self) -> dict[str, Any]:
        """The `error` object alone, as it also is in batch results."""
        return {"type": self.type, "message": self.message} | (
            {"details": dict(self.details)} if self.details is not None else {}
        )


def invalid(message: str, details: Mapping[str, Any] | None = None) -> Refused:
    """A 400."""
    return Refused(400, message, details=details)
