"""Everything that can be refused, one class per wire code.

AegisError
├── UnauthorizedError         no valid credential
├── KeyNotFoundError          no such key
├── NotFoundError             no such thing of another kind
├── PermissionDeniedError     not this principal
├── IllegalOperationError     not in this state
├── DecryptionFailedError     not this ciphertext, or not in this context
├── BadRequestError           not a request we can understand
├── ConflictError             somebody else was faster
├── PreconditionFailedError   not the version the caller knew
├── IdempotencyMismatchError  not the request that its key stood for
├── MethodNotAllowedError     ┐
├── PayloadTooLargeError      │ refused at the edge
├── UnsupportedMediaTypeError ┘
├── TooManyRequestsError      ┐ come back later
├── UnavailableError          ┘
└── InternalError             ours; says no more than its request id
BootError                     the server does not start, and says what mends it
├── SettingsError
├── PluginNotFoundError
├── PluginConflictError
├── PluginLoadError
└── PluginContractError
"""

from __future__ import annotations

from typing import ClassVar


class AegisError(Exception):
    """A refusal. `message` goes to the caller; `reason` goes to the audit record only."""

    code: ClassVar[str]

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class UnauthorizedError(AegisError):
    code = "Unauthorized"


class KeyNotFoundError(AegisError):
    code = "KeyNotFound"


class NotFoundError(AegisError):
    code = "NotFound"


class PermissionDeniedError(AegisError):
    code = "PermissionDenied"


class IllegalOperationError(AegisError):
    code = "IllegalOperation"


class DecryptionFailedError(AegisError):
    code = "DecryptionFailed"


class BadRequestError(AegisError):
    code = "BadRequest"


class ConflictError(AegisError):
    code = "Conflict"


class PreconditionFailedError(AegisError):
    code = "PreconditionFailed"


class IdempotencyMismatchError(AegisError):
    code = "IdempotencyMismatch"


class MethodNotAllowedError(AegisError):
    code = "MethodNotAllowed"


class PayloadTooLargeError(AegisError):
    code = "PayloadTooLarge"


class UnsupportedMediaTypeError(AegisError):
    code = "UnsupportedMediaType"


class _RetryLaterError(AegisError):
    def __init__(
        self, message: str, *, reason: str | None = None, retry_after_seconds: int = 1
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequestsError(_RetryLaterError):
    code = "TooManyRequests"


class UnavailableError(_RetryLaterError):
    code = "Unavailable"


class InternalError(AegisError):
    code = "InternalError"


class BootError(Exception):
    """The server refuses to start; the text names the cause and the remedy, one line each."""


class SettingsError(BootError):
    """One or more settings are wrong; the text has a line for each."""


class PluginNotFoundError(BootError):
    """The environment names a plugin that is not installed."""


class PluginConflictError(BootError):
    """Two distributions provide the same plugin name."""


class PluginLoadError(BootError):
    """The plugin's code cannot be imported or built."""


class PluginContractError(BootError):
    """The plugin does not meet the SPI: its version, its hooks, or what it returns."""
