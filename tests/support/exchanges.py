"""Operations over REST in pairs: what protects, what processes, and what may go wrong between."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)

from aegis_kernel import KeySpec, Operation

MESSAGE = b"invoice #1234 total $42,000"
KEY_BYTES = bytes(range(32))
CONTEXT = {"tenant": "acme"}
CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}

Body = dict[str, Any]


class Exchange(msgspec.Struct, frozen=True):
    """`asks` is the body of the first request; `returns` makes the second from both of the first's,
    `gives` takes from the second answer what must be there, `damaged` names what can be damaged."""

    protect: Operation
    process: Operation
    asks: Callable[[KeySpec, str], Body]
    returns: Callable[[Body, Body], Body]
    is_right: Callable[[Body, Body, Body], bool]
    damaged: str


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


def flipped(text: str) -> str:
    """Return base64 of the same bytes but for the last bit."""
    data = b64decode(text)
    return encoded(data[:-1] + bytes([data[-1] ^ 1]))


def path(operation: Operation) -> str:
    """Return the end of the operation's path."""
    return {
        Operation.VERIFY_MAC: "verify-mac",
        Operation.GENERATE_DATA_KEY: "generate-data-key",
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY: "generate-data-key/wrapped-only",
        Operation.GENERATE_DATA_KEY_PAIR: "generate-data-key-pair",
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY: "generate-data-key-pair/wrapped-only",
    }.get(operation, operation.lower())


def form(spec: KeySpec) -> Body:
    """Return the context, where the key binds one."""
    return {"context": CONTEXT} if spec.binds_context else {}


def peer(spec: KeySpec) -> str:
    """Return the PEM of a new public key on the key's curve, or on P-256."""
    public = ec.generate_private_key(CURVES.get(spec.curve or "", ec.SECP256R1)()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def lone_body(operation: Operation, spec: KeySpec, algorithm: str, other: str) -> Body:
    """Return a body in good form for an operation that is asked of any key at all."""
    for exchange in EXCHANGES:
        if operation is exchange.protect:
            return exchange.asks(spec, algorithm)
    return {
        Operation.VERIFY: {
            "messageBase64": encoded(MESSAGE),
            "signatureBase64": encoded(bytes(64)),
            "algorithm": algorithm,
        },
        Operation.VERIFY_MAC: {
            "messageBase64": encoded(MESSAGE),
            "macBase64": encoded(bytes(32)),
            "algorithm": algorithm,
        },
        Operation.DECRYPT: {"ciphertextBase64": encoded(bytes(200))},
        Operation.DECAPSULATE: {"ciphertextBase64": encoded(bytes(200))},
        Operation.UNWRAP: {"wrappedKeyBase64": encoded(bytes(200))},
        Operation.REENCRYPT: {"ciphertextBase64": encoded(bytes(200)), "destinationKeyId": other},
        Operation.DERIVE: {
            "publicKeyPem": peer(spec),
            "algorithm": algorithm,
            "sizeBits": 256,
        },
    }[operation]


def _signed(spec: KeySpec, algorithm: str) -> Body:
    return {"messageBase64": encoded(MESSAGE), "algorithm": algorithm}


def _plaintext(spec: KeySpec, algorithm: str) -> Body:
    return {"plaintextBase64": encoded(KEY_BYTES)} | form(spec)


def _size(spec: KeySpec, algorithm: str) -> Body:
    return {"sizeBits": 256} | form(spec)


def _pair(spec: KeySpec, algorithm: str) -> Body:
    return {"spec": {"algorithm": "EC", "curve": "P-256"}} | form(spec)


def _key_to_wrap(spec: KeySpec, algorithm: str) -> Body:
    if spec.interop_wrapping_algorithm is not None:
        return {"plaintextBase64": encoded(KEY_BYTES), "format": "rfc5649"}
    return _plaintext(spec, algorithm)


def _wrapped(asked: Body, answered: Body) -> Body:
    kept = {name: asked[name] for name in ("context", "format") if name in asked}
    return {"wrappedKeyBase64": answered["wrappedKeyBase64"]} | kept


def _is_data_key(asked: Body, answered: Body, processed: Body) -> bool:
    plain = processed["plaintextBase64"]
    return len(b64decode(plain)) == 32 and answered.get("plaintextBase64", plain) == plain


def _is_pair(asked: Body, answered: Body, processed: Body) -> bool:
    private = load_der_private_key(b64decode(processed["plaintextBase64"]), None)
    public = load_pem_public_key(answered["publicKeyPem"].encode())
    plain = answered.get("plaintextBase64", processed["plaintextBase64"])
    return private.public_key() == public and plain == processed["plaintextBase64"]


def _data_key(operation: Operation, asks: Any, is_right: Any) -> Exchange:
    return Exchange(operation, Operation.UNWRAP, asks, _wrapped, is_right, "wrappedKeyBase64")


EXCHANGES = (
    Exchange(
        Operation.SIGN,
        Operation.VERIFY,
        _signed,
        lambda asked, answered: asked | {"signatureBase64": answered["signatureBase64"]},
        lambda asked, answered, processed: processed["valid"] is True,
        "signatureBase64",
    ),
    Exchange(
        Operation.MAC,
        Operation.VERIFY_MAC,
        _signed,
        lambda asked, answered: asked | {"macBase64": answered["macBase64"]},
        lambda asked, answered, processed: processed["valid"] is True,
        "macBase64",
    ),
    Exchange(
        Operation.ENCRYPT,
        Operation.DECRYPT,
        _plaintext,
        lambda asked, answered: {
            "ciphertextBase64": answered["ciphertextBase64"],
            **{name: asked[name] for name in ("context",) if name in asked},
        },
        lambda asked, answered, processed: processed["plaintextBase64"] == asked["plaintextBase64"],
        "ciphertextBase64",
    ),
    Exchange(
        Operation.WRAP,
        Operation.UNWRAP,
        _key_to_wrap,
        _wrapped,
        lambda asked, answered, processed: processed["plaintextBase64"] == asked["plaintextBase64"],
        "wrappedKeyBase64",
    ),
    Exchange(
        Operation.ENCAPSULATE,
        Operation.DECAPSULATE,
        lambda spec, algorithm: {},
        lambda asked, answered: {"ciphertextBase64": answered["ciphertextBase64"]},
        lambda asked, answered, processed: (
            processed["sharedSecretBase64"] == answered["sharedSecretBase64"]
        ),
        "ciphertextBase64",
    ),
    _data_key(Operation.GENERATE_DATA_KEY, _size, _is_data_key),
    _data_key(Operation.GENERATE_DATA_KEY_WRAPPED_ONLY, _size, _is_data_key),
    _data_key(Operation.GENERATE_DATA_KEY_PAIR, _pair, _is_pair),
    _data_key(Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY, _pair, _is_pair),
)
