"""How a plugin declares its settings: a frozen Struct whose fields are environment variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from aegis_kernel.domain.errors import SettingsError
from aegis_kernel.domain.secret import Secret


class Env(msgspec.Struct, frozen=True):
    """Names the variable of a field that does not follow the prefix: `Annotated[str, Env("PGHOST")]`."""

    name: str


class SettingsSection(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all settings: subclass it, set `prefix`, declare fields with defaults.

    With `prefix = "AEGIS_AUDIT_MINE"`, field `url` is read from `AEGIS_AUDIT_MINE_URL`. A field is
    str, int, float, bool, Path, Secret, a StrEnum, tuple[str, ...] (comma-separated), or `| None`
    of one of these. A field without a default must be set. Rules that need more than a type go into
    `__post_init__`, which raises ValueError with the remedy.
    """

    prefix: ClassVar[str]


Section = TypeVar("Section", bound=SettingsSection)


def variables_of(section: type[SettingsSection]) -> dict[str, str]:
    """Return {field: variable} of the section, in order."""
    hints = get_type_hints(section, include_extras=True)
    return {name: _variable(section, name, hints[name]) for name in section.__struct_fields__}


def read_section(section: type[Section], environment: Mapping[str, str]) -> Section:
    """Return the section as `environment` sets it. An empty variable counts as unset.

    Raises SettingsError with one line for every mistake, never showing a Secret's value.
    """
    hints = get_type_hints(section)
    required = {field.name for field in msgspec.structs.fields(section) if field.required}
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for name, variable in variables_of(section).items():
        text = environment.get(variable, "")
        try:
            if text:
                values[name] = _parse(hints[name], text)
            elif name in required:
                raise ValueError("must be set")
        except ValueError as error:
            mistakes.append(f"{variable} {error}")
    built: Section | None = None
    if required <= values.keys():  # else what can be judged of one variable has been
        try:
            built = section(**values)
        except ValueError as error:
            mistakes.append(str(error))
    if built is None or mistakes:
        raise SettingsError("\n".join(mistakes))
    return built


def _variable(section: type[SettingsSection], name: str, hint: Any) -> str:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Env):
            return extra.name
    return f"{section.prefix}_{name.upper()}"


def _parse(hint: Any, text: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if get_origin(hint) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _parse_choice(hint, text)
    return _PARSERS[hint](text)


def _parse_choice(choices: type[Enum], text: str) -> Enum:
    try:
        return choices(text)
    except ValueError:
        known = ", ".join(str(choice.value) for choice in choices)
        raise ValueError(f"must be one of {known}") from None


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def _parse_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: _parse_int,
    float: _parse_float,
    bool: _parse_bool,
    Path: lambda text: Path(text).expanduser(),
    Secret: lambda text: Secret(text.encode()),
}
