from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aegis_telemetry_prometheus import PrometheusTelemetry

from aegis_kernel.testing import TelemetryConformance


class TestPrometheusTelemetry(TelemetryConformance):
    @pytest.fixture
    async def telemetry(self) -> AsyncIterator[PrometheusTelemetry]:
        telemetry = PrometheusTelemetry()
        await telemetry.open()
        yield telemetry
        await telemetry.aclose()
