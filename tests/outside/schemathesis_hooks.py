"""Where Schemathesis has a spelling of its own, and would test little but how that is refused."""

from __future__ import annotations

from typing import Any

import schemathesis

# They have tests of their own.
LEFT_OUT = frozenset({"If-Match", "Idempotency-Key", "dryRun"})


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """It takes the quotes off an ETag, repeats idempotency keys, and would ask mostly for dry runs."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [p for p in parameters if p["name"] not in LEFT_OUT]


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    return with_whole_numbers(body)


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    return with_whole_numbers(query)


def with_whole_numbers(value: Any) -> Any:
    """JSON Schema takes 8.0 for an integer; this wire knows one spelling of each, and wants 8."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: with_whole_numbers(held) for name, held in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(held) for held in value]
    return value
