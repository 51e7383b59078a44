"""Swagger UI is served from here: no request leaves the machine."""

from __future__ import annotations

import re

import httpx
import pytest

LINK = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_and_all_it_needs_are_served_from_here(
    stranger: httpx.AsyncClient, path: str
) -> None:
    page = await stranger.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = LINK.findall(page.text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/docs/assets/")
        asset = await stranger.get(link)
        assert asset.status_code == 200
        assert len(asset.content) > 100
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in asset.headers["cache-control"]


async def test_the_page_may_load_nothing_from_elsewhere(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/docs/")
    policy = dict(
        rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "//" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text


async def test_the_page_asks_this_server_for_the_document(stranger: httpx.AsyncClient) -> None:
    script = (await stranger.get("/docs/assets/initializer.js")).text
    assert '"/docs/docs.json"' in script
    assert "validatorUrl: null" in script


async def test_the_licence_of_what_is_served_is_served(stranger: httpx.AsyncClient) -> None:
    assert "Apache License" in (await stranger.get("/docs/assets/LICENSE")).text
    assert "swagger-ui" in (await stranger.get("/docs/assets/NOTICE")).text
