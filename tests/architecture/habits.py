"""What code here never does: read the environment or the clock on its own, act at import, grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.imports import imports
from tests.architecture.source import Module, shipped

FUNCTION_LINES = 60
FILE_LINES = 300

MAY_READ_THE_ENVIRONMENT = frozenset({"aegis_kernel.server"})
MAY_READ_THE_CLOCK = frozenset(
    {
        "aegis_kernel.engine.clock",
        "aegis_kernel.server",  # says how long the boot took, before there is a kernel
        "aegis_auth_hmac.issuer",  # mints tokens where no server runs
    }
)

_CLOCKS = frozenset(
    f"{owner}.{name}"
    for owner, names in {
        "time": ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"),
        "datetime": ("now", "utcnow", "today"),
        "date": ("today",),
    }.items()
    for name in names
)
_ENVIRONMENT = frozenset({"os.environ", "os.environb", "os.getenv", "os.putenv"})
_LOAD_EVERYTHING = frozenset(
    {
        "load_setuptools_entrypoints",
        "ExtensionManager",
        "NamedExtensionManager",
        "EnabledExtensionManager",
        "DispatchExtensionManager",
        "HookManager",
    }
)
_MUTABLE_LITERALS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_TYPES = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "OrderedDict", "deque", "Counter"}
)
# Things that hold state or threads, by the last word of their class.
_HOLDERS = ("Manager", "Registry", "Executor", "Pool", "Cache", "Lock", "Event", "Queue")
_OWNED = ("Kernel", "Pipeline", "Provider", "Connection", "Session", "Client", "Litestar", "Plugin")
_READ_ONLY = frozenset({"Mapping", "Sequence", "Set", "Collection", "Iterable"})


def clock_readings(root: Path) -> Iterator[str]:
    for module in shipped(root):
        if module.name not in MAY_READ_THE_CLOCK and not _is_kit(module):
            yield from _named(module, _CLOCKS, "reads the clock; a Clock is passed in")


def environment_readings(root: Path) -> Iterator[str]:
    for module in shipped(root):
        if module.name not in MAY_READ_THE_ENVIRONMENT:
            yield from _named(module, _ENVIRONMENT, "reads the environment; settings do that")


def greedy_loading(root: Path) -> Iterator[str]:
    """Only what the environment names is imported, and exactly one plugin answers for it."""
    for module in shipped(root):
        uses_stevedore = any(name.startswith("stevedore") for _, name in imports(module))
        for node in ast.walk(module.tree):
            name = _last_name(node)
            if name in _LOAD_EVERYTHING:
                yield module.at(node, f"{name} loads what nobody named")
            if uses_stevedore and isinstance(node, ast.Attribute) and node.attr == "map":
                yield module.at(node, ".map() swallows what a plugin raises")
            if isinstance(node, ast.keyword) and node.arg == "firstresult":
                yield module.at(node.value, "firstresult hides rivals")


def import_time_state(root: Path) -> Iterator[str]:
    """Nothing at module level can be changed, holds state, or has an effect."""
    for module in shipped(root):
        if _is_kit(module):
            continue
        for statement in module.tree.body:
            yield from (module.at(statement, what) for what in _state(statement))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                yield module.at(node, "changes a global")
            if isinstance(node, ast.FunctionDef) and _remembers_all(node):
                yield module.at(node, f"{node.name} remembers without a bound")


def oversize(root: Path) -> Iterator[str]:
    for module in shipped(root):
        lines = len(module.text.splitlines())
        if lines > FILE_LINES:
            yield module.at(module.tree, f"has {lines} lines, more than {FILE_LINES}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield module.at(node, f"{node.name} has {length} lines")


def _is_kit(module: Module) -> bool:
    return module.is_kernel and module.layer == "testing"


def _named(module: Module, forbidden: frozenset[str], what: str) -> Iterator[str]:
    """Uses of `owner.name`, whether written so or imported with `from owner import name`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and f"{_last_name(node.value)}.{node.attr}" in forbidden:
            yield module.at(node, what)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in forbidden:
                    yield module.at(node, what)


def _state(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.For | ast.While | ast.With):
        yield "does something at import"
    if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
        yield "does something at import"
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        yield from _held(statement, statement.value)


def _held(statement: ast.Assign | ast.AnnAssign, value: ast.expr) -> Iterator[str]:
    called = _last_name(value.func) if isinstance(value, ast.Call) else ""
    if called.endswith(_HOLDERS + _OWNED):
        yield f"{called} belongs to whoever builds it, not to a module"
    mutable = isinstance(value, _MUTABLE_LITERALS) or called in _MUTABLE_TYPES
    if mutable and not _is_all(statement) and not _is_read_only(statement):
        yield "a module-level collection is immutable, or annotated Mapping or Sequence"


def _is_all(statement: ast.Assign | ast.AnnAssign) -> bool:
    return isinstance(statement, ast.Assign) and _last_name(statement.targets[0]) == "__all__"


def _is_read_only(statement: ast.Assign | ast.AnnAssign) -> bool:
    if not isinstance(statement, ast.AnnAssign):
        return False
    kind = statement.annotation
    return _last_name(kind.value if isinstance(kind, ast.Subscript) else kind) in _READ_ONLY


def _remembers_all(function: ast.FunctionDef) -> bool:
    """`@cache`, or `@lru_cache` without a bound; a bounded memo of a pure function is no state."""
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = _last_name(call.func if call else decorator)
        bounds = (
            [*call.args, *(k.value for k in call.keywords if k.arg == "maxsize")] if call else []
        )
        bounded = any(isinstance(b, ast.Constant) and b.value is not None for b in bounds)
        if name == "cache" or (name == "lru_cache" and not bounded):
            return True
    return False


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
