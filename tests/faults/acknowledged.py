"""What clients were told, request by request: the promises that a fault must not break."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One answer that a client has in its hands.

    `operation` is spelled as in the audit trail, `sequence` is the key's last event where the
    answer told it, `ciphertext` is base64 of b"hello" sealed without context.
    """

    request_id: str
    operation: str
    key_id: str
    version: int | None = None
    sequence: int | None = None
    ciphertext: str | None = None


@dataclass(slots=True)
class Log:
    """All that the clients of a protocol saw. Kept here: the clients outlive every crash."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    #: Seconds each acknowledged request took.
    seconds: list[float] = field(default_factory=list)
    #: Requests without an answer: they may have happened, or not.
    maybe: int = 0
    #: Requests refused with 503 and Retry-After: they have not happened.
    refused: int = 0
    #: Answers that no fault excuses, such as a 500 or a 503 without Retry-After.
    wrong: list[str] = field(default_factory=list)
