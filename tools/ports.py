"""Writes docs/ports.md from the contract itself: `python tools/ports.py > docs/ports.md`.

The docstrings in aegis_kernel/spi are the promises; this page shows them under exact signatures.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

SPI = Path(__file__).parents[1] / "aegis_kernel" / "spi"

# In the order in which a plugin's author needs them.
MODULES = (
    "hooks",
    "context",
    "threads",
    "settings",
    "provider",
    "material",
    "root_of_trust",
    "sealing",
    "imports",
    "journal",
    "journal_backup",
    "audit_sink",
    "authenticator",
    "authorizer",
    "policy",
    "telemetry",
)

INTRODUCTION = """\
# The contract

What a plugin meets. This page is made from `aegis_kernel/spi` by `make docs`; the words are those of
the code. Everything here is imported from `aegis_kernel`. How to write a plugin, from an empty folder
to a passing conformance kit, is in [writing-a-plugin.md](writing-a-plugin.md); why there are hooks
and ports is in [ADR 0001](adr/0001-hooks-discover-ports-serve.md).
"""


def page(spi: Path = SPI) -> str:
    """Return the whole page."""
    blocks = [INTRODUCTION]
    for name in MODULES:
        blocks += _module((spi / f"{name}.py").read_text(encoding="utf-8"))
    return "\n".join(blocks)


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the signature as the page prints it: on one line, without `self`."""
    returns = ast.unparse(function.returns) if function.returns else "None"
    if any(ast.unparse(decorator) == "property" for decorator in function.decorator_list):
        return f"{function.name}: {returns}"
    arguments = [each for each in ast.unparse(function.args).split(", ") if each != "self"]
    prefix = "async " if isinstance(function, ast.AsyncFunctionDef) else ""
    return f"{prefix}{function.name}({', '.join(arguments)}) -> {returns}"


def _module(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    title, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    title = title.removeprefix("Port: ").rstrip(".")
    yield f"## {title[:1].upper()}{title[1:]}\n"
    if rest.strip():
        yield f"{inspect.cleandoc(rest)}\n"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(source, node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from _function("###", node)


def _class(source: str, node: ast.ClassDef) -> Iterator[str]:
    yield f"### `{node.name}`\n"
    yield from _text(node)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign)]
    if fields:
        lines = "\n".join(ast.get_source_segment(source, field) or "" for field in fields)
        yield f"```python\n{lines}\n```\n"
    for method in node.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name[0] != "_":
            yield from _function("####", method)


def _function(heading: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    yield f"{heading} `{signature(node)}`\n"
    yield from _text(node)


def _text(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    text = ast.get_docstring(node)
    if text:
        yield f"{text}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
