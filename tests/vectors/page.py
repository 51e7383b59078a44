"""Writes docs/vectors.md from a run: `python -m tests.vectors.page > docs/vectors.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import cryptography_vectors

from tests.vectors.case import Tally
from tests.vectors.differences import LEFT_OUT, REFUSED
from tests.vectors.measure import tally_of, total
from tests.vectors.plan import FILES, NOT_APPLICABLE, published

_HEAD = """\
# Published test vectors

What our own code makes of the vectors of NIST's CAVP, of RFCs and of other projects, as the package
`cryptography-vectors` {version} carries them. `make vectors` measures them all anew, `make test` does
so as well, and `make docs` writes this page.

{whole}.

They go through the code that keys are used by: `Signer`, `Verifier`, `MacKey`, `KwpKey`, `agree`, `encryption_of`,
`Encapsulation`, and the functions under suite 1. A signature is judged as a message and as a digest,
an ECDSA signature also in both formats, and all forms must agree. *Must fail* are vectors that their
publisher made wrong. *Refused on purpose* are valid ones that we want refused, *left out* those that
our code has no way to be asked about; both are explained below. *Changed by us* are published vectors
that we damaged (or, for PSS, signed anew with a salt that the files lack).

| files | vectors | accepted | must fail | refused on purpose | left out | changed by us |
|---|---:|---:|---:|---:|---:|---:|
"""


def page() -> str:
    """Return the whole page."""
    head = _HEAD.format(version=cryptography_vectors.__version__, whole=total())
    blocks = [head + "\n".join(_rows())]
    blocks.append("## Refused on purpose\n\n" + _list(REFUSED))
    blocks.append("## Left out\n\n" + _list(LEFT_OUT))
    blocks.append("## Files that are not read\n\n" + "\n".join(_unread()))
    return "\n\n".join(blocks) + "\n"


def _rows() -> Iterator[str]:
    for name in FILES:
        yield _row(f"`{name}`", tally_of(name))
    yield _row(f"**{len(FILES)} files**", total())


def _row(name: str, tally: Tally) -> str:
    counts = (
        tally.vectors,
        tally.accepted,
        tally.must_fail,
        tally.refused_on_purpose,
        tally.left_out,
        tally.derived,
    )
    return f"| {name} | {' | '.join(str(count) for count in counts)} |"


def _list(reasons: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}**: {reason}." for name, reason in reasons.items())


def _unread() -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for pattern, reason in NOT_APPLICABLE.items():
        by_reason.setdefault(reason, []).append(f"`{pattern}`")
    yield f"{len(published()) - len(FILES)} of {len(published())}:\n"
    for reason, patterns in by_reason.items():
        yield f"- {', '.join(patterns)}: {reason}."


if __name__ == "__main__":
    sys.stdout.write(page())
