"""The page of metrics after a walk through everything, read by Prometheus's own tool."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.outside.secured import client, secured
from tests.outside.walk import Walk


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Walk]]:
    """A server on which everything was done, and refused, at least once."""
    data = tmp_path_factory.mktemp("walked") / "data"
    with secured(data) as server, client(server) as http:
        walk = Walk(http, bytes(range(32)))
        walk.everything()
        walk.refusals()
        assert httpx.get(f"{server.url}/v1/keys").status_code == 401
        yield http, walk


def test_the_walk_leaves_no_operation_of_the_document_out(walked: Any) -> None:
    http, walk = walked
    document = http.get("/docs/docs.json").json()
    promised = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    assert {step.operation for step in walk.steps} == promised


@pytest.mark.promtool
def test_promtool_finds_nothing_to_say(walked: Any) -> None:
    http, _ = walked
    page = http.get("/metrics").content
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_open_metrics_are_there_for_who_asks(walked: Any) -> None:
    http, _ = walked
    page = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(page.text)}
    assert {"aegis_keys_op", "aegis_keys_op_errors", "aegis_keys_op_duration_seconds"} <= names


def test_the_page_names_nobody_and_no_key(walked: Any) -> None:
    http, walk = walked
    page = http.get("/metrics").text
    counted = {
        sample.labels["operation"]
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "aegis_keys_op_total"
    }
    assert len(counted) >= 30
    assert "aegis_auth_failures_total 1.0" in page
    assert "alice" not in page
    assert not [step.key_id for step in walk.steps if step.key_id and step.key_id in page]
