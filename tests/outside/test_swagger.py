"""A reader with a browser: from the page to a ciphertext, and not a word to anybody else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.support.server import Server, running

pytestmark = pytest.mark.browser

# The browser's own errands, and its sandbox: CI is root, and it only ever sees this server.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
    *("--disable-domain-reliability", "--disable-client-side-phishing-detection"),
]
SIZE = {"width": 1280, "height": 1600}


class Reader:
    """Somebody who opens the page, and keeps count of whom it speaks to."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._note(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{url}/docs/")

    def authorize(self, name: str) -> None:
        self.page.get_by_role("button", name="Authorize").first.click()
        self.page.locator(".auth-container input").first.fill(name)
        self.page.locator(".auth-btn-wrapper .authorize").first.click()
        self.page.locator(".auth-btn-wrapper .btn-done").first.click()

    def try_out(self, operation: str, key_id: str | None = None) -> Locator:
        """Execute an operation with the body that the page proposes; return the row of the answer."""
        block = self.page.locator(f"#operations-keys-{operation}")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        if key_id is not None:
            block.locator("tr[data-param-name=id] input").fill(key_id)
        block.get_by_role("button", name="Execute").click()
        row = block.locator(".live-responses-table tbody tr").first
        row.wait_for()
        return row

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.asked.append(parts.path)
            self.hosts.add(f"{parts.scheme}://{parts.netloc}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


@pytest.fixture
def reader(server: Server) -> Iterator[Reader]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield Reader(browser.new_page(viewport=SIZE), server.url)
        browser.close()


def test_a_reader_creates_activates_and_encrypts_from_the_page(
    server: Server, reader: Reader
) -> None:
    reader.authorize("alice")
    created = reader.try_out("create")
    expect(created.locator(".response-col_status")).to_contain_text("201")
    expect(created).to_contain_text(re.compile("x-request-id: [0-9a-f]{32}"))
    match = re.search('"id": "([0-9a-f-]{36})"', created.inner_text())
    assert match is not None
    key_id = match[1]
    activated = reader.try_out("activate", key_id)
    expect(activated.locator(".response-col_status")).to_contain_text("200")
    encrypted = reader.try_out("encrypt", key_id)
    expect(encrypted.locator(".response-col_status")).to_contain_text("200")
    expect(encrypted).to_contain_text('"ciphertextBase64": "AQEBAH')

    assert reader.complaints == []
    assert reader.hosts == {server.url}
    assert f"/v1/keys/{key_id}/encrypt" in reader.asked
    assert server.terminate() == 0
    audited = [line for line in server.audit_lines if key_id in line]
    assert [re.search('"op":"(.*?)"', line)[1] for line in audited] == [  # type: ignore[index]
        "KeyCreated",
        "KeyActivated",
        "Encrypt",
    ]
    assert all('"actor":"alice"' in line for line in audited)


def test_a_reader_who_says_no_name_is_told_so(reader: Reader) -> None:
    refused = reader.try_out("list")
    expect(refused.locator(".response-col_status")).to_contain_text("401")
    expect(refused).to_contain_text('"error": "Unauthorized"')
