"""Our code's verdict on every published vector: `python -m tests.vectors.measure [name …]`.

Names are parts of file names. Ends with 1 if a vector was judged wrongly.
"""

from __future__ import annotations

import sys
from functools import cache

from tests.vectors.case import Tally, judge
from tests.vectors.plan import FILES


@cache
def tally_of(name: str) -> Tally:
    """Return the counts of one file, all of it."""
    return judge(FILES[name](name))


def total() -> Tally:
    """Return the counts of all files."""
    whole = Tally()
    for name in FILES:
        whole.add(tally_of(name))
    return whole


def main(parts: list[str]) -> int:
    """Print a line for every file, and what went wrong."""
    whole = Tally()
    for name in FILES:
        if parts and not any(part in name for part in parts):
            continue
        tally = tally_of(name)
        whole.add(tally)
        print(f"{name}: {tally}")
        for wrong in (*tally.false_accepts[:3], *tally.false_refusals[:3]):
            print(f"    {wrong}")
    print(whole)
    return 1 if whole.false_accepts or whole.false_refusals else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
