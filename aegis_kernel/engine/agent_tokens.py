"""Agents' tokens: a compact JWS (RFC 7515 §7.1), ES256, signed by a system key; one spelling only.

A token says who asks and until when. Whether the agent still lives, and what it may, stands in
streams and is decided with each request.
"""

from __future__ import annotations

import base64
import re
from typing import Literal, NoReturn
from uuid import uuid4

import msgspec

from aegis_kernel.domain.agent import Agent, parse_agent_id
from aegis_kernel.domain.errors import IllegalOperationError, UnauthorizedError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation, permit, permit_version
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import SignatureFormat
from aegis_kernel.domain.spec import SignatureAlgorithm
from aegis_kernel.engine.agent_key import AGENT_KEY_ID, AgentKey
from aegis_kernel.engine.opened import OpenedKeys
from aegis_kernel.spi.authenticator import Authenticated, Authenticator, Headers
from aegis_kernel.spi.context import Clock

HEADER = b"authorization"
# RFC 8725 §3.11: a type of its own, which no other token here has.
TYPE = "aegis-agent+jwt"

# Compared as bytes: another order, another member or a space is not ours, and never parsed.
_OWN_HEADER = re.compile(
    rb'\{"alg":"ES256","kid":"%s\.([1-9][0-9]{0,8})","typ":"%s"\}'
    % (re.escape(AGENT_KEY_ID.encode()), re.escape(TYPE.encode()))
).fullmatch
# Three parts of unpadded base64url, the last of 64 bytes (RFC 7518 §3.4).
_COMPACT = re.compile(
    rb"[A-Za-z0-9_-]{1,256}\.([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]{86})"
).fullmatch
_HEADER_PART = re.compile(rb"[A-Za-z0-9_-]{1,256}").fullmatch


class _Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    iss: Literal["aegis"]
    sub: str
    jti: str
    iat: int
    exp: int
    aegis_kind: Literal["agent"]


_decode_claims = msgspec.json.Decoder(_Claims).decode


class AgentTokens(Authenticator):
    """Issues the tokens, and is the authenticator that accepts them and nothing else."""

    def __init__(self, key: AgentKey, opened: OpenedKeys, clock: Clock) -> None:
        self._key = key
        self._opened = opened
        self._clock = clock

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        return (HEADER,)

    @property
    def description(self) -> str:
        return "agents' tokens (ES256)"

    async def open(self) -> None:
        """Nothing to open: the key is made at the first agent."""

    async def aclose(self) -> None:
        """Nothing is held."""

    async def issue(self, agent: Agent) -> tuple[Secret, tuple[str, int]]:
        """Return a token of `agent`, and what its commit expects of the key that signed it."""
        view = await self._key.for_signing()
        key = view.key
        if key is None:
            raise ValueError("a key for signing is there")
        permit(key, Operation.SIGN)
        version = key.current_version
        opened = await self._opened.get(key, version)
        signed = _signing_input(agent, version)
        signature = await opened.key.sign(
            SignatureAlgorithm.ECDSA_SHA256, signed, signature_format=SignatureFormat.P1363
        )
        return Secret(signed + b"." + _encode(signature)), (view.stream, view.sequence)

    async def authenticate(self, headers: Headers) -> Authenticated | None:
        """Return the agent, or None for a credential that is no agent's token.

        Raises UnauthorizedError for a forged or expired one.
        """
        scheme, _, token = headers.get(HEADER, b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        version = _version(token)
        if version is None:
            return None
        claims = await self._claims(token, version)
        if claims.exp <= self._clock.time():
            _refuse("agent token expired")
        if parse_agent_id(claims.sub) is None:
            _refuse("sub is not an agent")
        principal = Principal(subject=claims.sub, kind=PrincipalKind.AGENT)
        return Authenticated(principal, float(claims.exp))

    async def _claims(self, token: bytes, version: int) -> _Claims:
        parts = _COMPACT(token)
        if parts is None:
            _refuse("agent token is not three parts of base64url")
        payload, signature = _decode(parts[1]), _decode(parts[2])
        if payload is None or signature is None:
            _refuse("agent token is not canonical base64url")
        key = await self._key.for_verifying(version)
        if key is None:
            _refuse("agent token of an unknown key version")
        _require_usable(key, version)
        opened = await self._opened.get(key, version)
        is_ours = await opened.key.verify(
            SignatureAlgorithm.ECDSA_SHA256,
            token[: parts.end(1)],
            signature,
            signature_format=SignatureFormat.P1363,
        )
        if is_ours is not True:
            _refuse("agent token's signature does not match")
        try:
            return _decode_claims(payload)
        except msgspec.MsgspecError:
            _refuse("agent token's claims are not ours")


def _signing_input(agent: Agent, version: int) -> bytes:
    header = b'{"alg":"ES256","kid":"%s.%d","typ":"%s"}' % (
        AGENT_KEY_ID.encode(),
        version,
        TYPE.encode(),
    )
    claims = _Claims(
        iss="aegis",
        sub=agent.id,
        jti=str(uuid4()),
        iat=int(agent.issued_at.timestamp()),
        exp=int(agent.expires_at.timestamp()),
        aegis_kind="agent",
    )
    return _encode(header) + b"." + _encode(msgspec.json.encode(claims))


def _version(token: bytes) -> int | None:
    """Return the version that an agent's token names, or None for any other credential."""
    first = token.partition(b".")[0]
    header = _decode(first) if _HEADER_PART(first) else None
    match = _OWN_HEADER(header) if header is not None else None
    return int(match[1]) if match is not None else None


def _require_usable(key: Key, version: int) -> None:
    try:
        permit(key, Operation.VERIFY)
        permit_version(key.versions[version - 1], Operation.VERIFY)
    except IllegalOperationError as error:
        _refuse(f"agent token: {error.reason}")


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(part: bytes) -> bytes | None:
    """Return the bytes that canonical, unpadded base64url spells, else None."""
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        return None
    return raw if _encode(raw) == part else None


def _refuse(reason: str) -> NoReturn:
    raise UnauthorizedError("Invalid agent token", reason=reason)
