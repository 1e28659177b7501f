"""The one way to fail: an error with a code, a message, and the next step."""

from __future__ import annotations

from typing import Any


class OpenWorkError(Exception):
    """Something failed in a way the user can be told about.

    The command line prints ``message`` and ``hint`` as two lines; the server answers
    ``{code, message, details?}`` with ``status``.

    Attributes:
        code: Stable machine-readable name, ``snake_case`` (as existing clients know them).
        message: What happened, naming the thing: the path, the flag, the port.
        hint: What to do next, or None.
        status: HTTP status when the error crosses the wire.
        details: Further machine-readable facts, JSON-serialisable, or None.
    """

    exit_code = 1

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        status: int = 500,
        details: object = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
        self.details: Any = details

    def to_json(self) -> dict[str, Any]:
        """The wire form: ``{code, message, hint?, details?}``."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint is not None:
            body["hint"] = self.hint
        if self.details is not None:
            body["details"] = self.details
        return body


class UsageError(OpenWorkError):
    """The user asked for something that does not exist: an unknown option or value. Exit code 2."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, code: str = "usage") -> None:
        super().__init__(code, message, hint=hint, status=400)
