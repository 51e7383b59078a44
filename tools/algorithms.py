"""Writes docs/algorithms.md from the code: `python -m tools.algorithms > docs/algorithms.md`.

What a key can be comes from the domain's tables, what it can do from the root of trust itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings

from aegis_kernel import Algorithm, KeySpec, Operation, SignatureAlgorithm, Usage
from aegis_kernel.domain.lifecycle import USAGES
from aegis_kernel.domain.spec import CURVES, PARAMETER_SETS, SIZES_BITS
from aegis_kernel.testing.doubles import plugin_context

_INTRODUCTION = """\
# Keys, operations, algorithms

What the root of trust `inmemory` does, as it says itself: this page is made from the code by
`make docs`. A dash is a refusal, `BadRequest` (400) or, where the key's usages leave it out,
`IllegalOperation` (409). Every cell is walked over REST by `tests/rest/test_algorithms.py`: a round trip,
a damaged input, another key, each wrong state; and every dash is seen to be refused. Others who read the
same standards (the `openssl` command, the library alone, suite 1 and HPKE written out anew) agree in
`plugins/rot_inmemory/tests/test_independent.py` and `test_public_key_independent.py`. What the algorithms
make of published test vectors is in [vectors.md](vectors.md), what the operations do in
[operations.md](operations.md).
"""

_DEV = """\
## Added in dev mode

With `AEGIS_AUTH_KIND=dev`, and then only, keys also sign and verify with these, by companion keys of
their own: real keys, stored like the others, that serve to try a client out. Nothing else is added.
"""

# Operations that go together: each has the other's algorithm, and stands in one column.
COLUMNS: Mapping[str, tuple[Operation, ...]] = {
    "sign, verify": (Operation.SIGN, Operation.VERIFY),
    "encrypt, decrypt": (Operation.ENCRYPT, Operation.DECRYPT),
    "wrap, unwrap": (Operation.WRAP, Operation.UNWRAP),
    "data keys and pairs": (
        Operation.GENERATE_DATA_KEY,
        Operation.GENERATE_DATA_KEY_WRAPPED_ONLY,
        Operation.GENERATE_DATA_KEY_PAIR,
        Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
    ),
    "reencrypt": (Operation.REENCRYPT,),
    "mac, verify-mac": (Operation.MAC, Operation.VERIFY_MAC),
    "derive": (Operation.DERIVE,),
    "encapsulate, decapsulate": (Operation.ENCAPSULATE, Operation.DECAPSULATE),
}
_TABLES: Sequence[Sequence[str]] = (
    ("sign, verify", "encrypt, decrypt", "derive", "encapsulate, decapsulate"),
    ("wrap, unwrap", "data keys and pairs", "reencrypt", "mac, verify-mac"),
)


class Cell(msgspec.Struct, frozen=True):
    """What keys of `spec` do by `operation`; no algorithms, no operation."""

    spec: KeySpec
    operation: Operation
    algorithms: tuple[str, ...]


def specs() -> Iterator[KeySpec]:
    """Yield every spec that there is, by usages only where these change what a key does."""
    for algorithm in Algorithm:
        for size in sorted(SIZES_BITS.get(algorithm, ())):
            yield KeySpec(name=f"{algorithm} {size}", algorithm=algorithm, size_bits=size)
            if algorithm is Algorithm.AES:
                yield KeySpec(
                    name=f"{algorithm} {size}, wrapRfc5649",
                    algorithm=algorithm,
                    size_bits=size,
                    usages=frozenset({Usage.WRAP_RFC5649}),
                )
        for curve in sorted(CURVES.get(algorithm, ())):
            yield KeySpec(name=f"{algorithm} {curve}", algorithm=algorithm, curve=curve)
        for parameters in sorted(PARAMETER_SETS.get(algorithm, ())):
            yield KeySpec(name=parameters, algorithm=algorithm, parameter_set=parameters)


def cells(dev_mode: bool) -> Iterator[Cell]:
    """Yield the whole product of specs and operations that compute with a key."""
    context = plugin_context(InMemorySettings(), Path(), dev_mode=dev_mode)
    root = InMemoryRootOfTrust(context)
    for spec in specs():
        for operation in USAGES:
            able = _allowed(spec, operation) and root.supports(spec, operation)
            yield Cell(spec, operation, _algorithms(root, spec, operation) if able else ())


def page() -> str:
    """Return the whole page."""
    strict, dev = list(cells(dev_mode=False)), list(cells(dev_mode=True))
    blocks = [_INTRODUCTION]
    for heading, columns in zip(("Key pairs", "Symmetric keys"), _TABLES, strict=True):
        blocks.append(f"## {heading}\n\n{_table(strict, columns)}\n")
    added = _added(strict, dev)
    blocks.append(f"{_DEV}\n{_table(added, ('sign, verify',))}\n")
    return "\n".join(blocks)


def _allowed(spec: KeySpec, operation: Operation) -> bool:
    return spec.usages is None or not spec.usages.isdisjoint(USAGES[operation])


def _algorithms(root: InMemoryRootOfTrust, spec: KeySpec, operation: Operation) -> tuple[str, ...]:
    if operation in COLUMNS["sign, verify"]:
        return tuple(a for a in SignatureAlgorithm if root.supports(spec, operation, a))
    named = {
        "encrypt, decrypt": spec.encryption_algorithm,
        "reencrypt": spec.encryption_algorithm,
        "wrap, unwrap": spec.interop_wrapping_algorithm or spec.wrapping_algorithm,
        "data keys and pairs": spec.wrapping_algorithm,
        "mac, verify-mac": spec.mac_algorithm,
        "derive": spec.agreement_algorithm,
        "encapsulate, decapsulate": spec.encapsulation_algorithm,
    }
    column = next(name for name, operations in COLUMNS.items() if operation in operations)
    algorithm = named[column]
    assert algorithm is not None, f"{spec.name} can {operation}, by no algorithm"
    return (str(algorithm),)


def _added(strict: Sequence[Cell], dev: Sequence[Cell]) -> list[Cell]:
    added = []
    for plain, more in zip(strict, dev, strict=True):
        new = tuple(a for a in more.algorithms if a not in plain.algorithms)
        assert not new or plain.operation in COLUMNS["sign, verify"]
        added.append(Cell(more.spec, more.operation, new))
    return added


def _table(of: Sequence[Cell], columns: Sequence[str]) -> str:
    lines = [f"| key | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    by_spec: dict[KeySpec, dict[Operation, tuple[str, ...]]] = {}
    for cell in of:
        by_spec.setdefault(cell.spec, {})[cell.operation] = cell.algorithms
    for spec, able in by_spec.items():
        texts = [_text(able, COLUMNS[column]) for column in columns]
        if any(text != "–" for text in texts):
            lines.append(f"| {spec.name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _text(able: Mapping[Operation, tuple[str, ...]], operations: Sequence[Operation]) -> str:
    (algorithms,) = {able[operation] for operation in operations}
    return "<br>".join(f"`{algorithm}`" for algorithm in algorithms) or "–"


if __name__ == "__main__":
    sys.stdout.write(page())
