"""The documentation, served from here alone: Swagger UI's files, and the document in two spellings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]

from aegis_kernel.rest.answer import JSON, NO_STORE, Answer, page_answer

# Swagger UI sets styles on its elements, and its icons are data: images.
_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    b"form-action 'none'",
)

# The page asks for assets by version, so a copy can be kept for as long as a browser likes.
_KEEP = (b"cache-control", b"public, max-age=31536000, immutable")

_ASSETS: Mapping[str, str] = MappingProxyType(
    {
        "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "swagger-ui.css": "text/css; charset=utf-8",
        "initializer.js": "text/javascript; charset=utf-8",
        "favicon-32x32.png": "image/png",
        "LICENSE": "text/plain; charset=utf-8",
        "NOTICE": "text/plain; charset=utf-8",
    }
)


def docs(document: Mapping[str, Any]) -> dict[str, Answer]:
    """Return the answer to each path under /docs, made once."""
    page = page_answer("text/html; charset=utf-8", _static("index.html"), (NO_STORE, _POLICY))
    return {
        "/docs": page,
        "/docs/docs.json": page_answer(JSON.decode(), json.dumps(document).encode()),
        "/docs/docs.yaml": page_answer("application/yaml", _yaml(document)),
        **{
            f"/docs/assets/{name}": page_answer(content_type, _static(name), (_KEEP,))
            for name, content_type in _ASSETS.items()
        },
    }


def _static(name: str) -> bytes:
    return files("aegis_kernel.rest").joinpath("static", name).read_bytes()


def _yaml(document: Mapping[str, Any]) -> bytes:
    # The dumper in C is ten times faster, where PyYAML was built with it. What went through JSON
    # holds no object twice, so there are no anchors.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    plain = json.loads(json.dumps(document))
    text = yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100)
    return str(text).encode()
