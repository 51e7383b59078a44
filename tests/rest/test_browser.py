"""Swagger UI in a real browser: it works under its policy, and asks nobody but this server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from aegis_kernel.rest.endpoints import ENDPOINTS, PAGES
from tests.support.server import Server, running

pytestmark = pytest.mark.browser

CREATE = "#operations-keys-create"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    environment = {"AEGIS_JOURNAL_KIND": "memory", "AEGIS_AUDIT_SINKS": "none"}
    with running(tmp_path / "data", **environment) as server:
        yield server


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        # Without its sandbox, because CI is root; it only ever sees this server.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser.new_page()
        browser.close()


def test_a_reader_creates_a_key_from_the_page(server: Server, page: Page) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{server.url}/docs/")
    page.wait_for_selector(CREATE)
    assert page.locator(".opblock").count() == len(ENDPOINTS) + len(PAGES)

    page.click(".btn.authorize")
    page.fill("#api_key_value", "alice")
    page.click(".modal-ux button.authorize >> nth=0")
    page.click(".modal-ux .btn-done >> nth=0")
    page.click(f"{CREATE} .opblock-summary-control")
    page.click(f"{CREATE} .try-out__btn")
    page.click(f"{CREATE} .execute")
    answer = page.locator(f"{CREATE} .live-responses-table")
    answer.wait_for()

    assert "PreActive" in answer.inner_text()
    assert complaints == []
    assert {url for url in asked if not url.startswith(server.url)} == set()
