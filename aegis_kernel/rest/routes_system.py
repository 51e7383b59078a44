"""Pages about the service itself: health, metrics, plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aegis_kernel.domain.errors import NotFoundError, UnavailableError
from aegis_kernel.rest.answer import Answer, json_answer, page_answer
from aegis_kernel.rest.endpoint import Outcome, Page
from aegis_kernel.rest.schemas import Wire
from aegis_kernel.spi.provider import Status

if TYPE_CHECKING:
    from aegis_kernel.engine.kernel import Kernel


class ProbeView(Wire, frozen=True):
    status: Status


class ComponentView(Wire, frozen=True):
    """`detail` stays inside: it is for operators, and this page is public."""

    port: str
    kind: str
    status: Status


class HealthView(Wire, frozen=True):
    status: Status
    version: str
    components: list[ComponentView]


class PluginView(Wire, frozen=True):
    group: str
    name: str
    distribution: str
    version: str


class PluginPage(Wire, frozen=True):
    items: list[PluginView]


async def _healthz(kernel: Kernel, scope: Any) -> Answer:
    report = await kernel.health()
    view = HealthView(
        status=report.status,
        version=report.version,
        components=[ComponentView(c.port, c.kind, c.status) for c in report.components],
    )
    status = 503 if report.status is Status.UNAVAILABLE else 200
    return json_answer(status, msgspec.json.encode(view))


async def _livez(kernel: Kernel, scope: Any) -> Answer:
    return json_answer(200, msgspec.json.encode(ProbeView(Status.OK)))


async def _readyz(kernel: Kernel, scope: Any) -> Answer:
    await kernel.health()
    if not kernel.is_ready:
        raise UnavailableError(
            kernel.policies.unready or "Not ready; /healthz says what is missing"
        )
    return json_answer(200, msgspec.json.encode(ProbeView(Status.OK)))


async def _metrics(kernel: Kernel, scope: Any) -> Answer:
    accept = scope["state"]["headers"].get(b"accept", b"").decode("latin-1")
    page = kernel.expose_metrics(accept)
    if page is None:
        raise NotFoundError("No telemetry here has a metrics page; AEGIS_TELEMETRY=prometheus has")
    return page_answer(page.content_type, page.body)


async def _plugins(kernel: Kernel, scope: Any) -> Answer:
    views = [PluginView(p.group, p.name, p.distribution, p.version) for p in kernel.plugins]
    return json_answer(200, msgspec.json.encode(PluginPage(views)))


HEALTHZ = Page(
    path="/healthz",
    summary="How every component is",
    answer=_healthz,
    outcomes=(
        Outcome(
            200, "Serving; degraded if a component that it can do without is not well.", HealthView
        ),
        Outcome(503, "Not able to serve.", HealthView),
    ),
)

LIVEZ = Page(
    path="/livez",
    summary="Whether the process answers",
    answer=_livez,
    outcomes=(Outcome(200, "It does.", ProbeView),),
)

READYZ = Page(
    path="/readyz",
    summary="Whether requests should be sent here",
    answer=_readyz,
    outcomes=(Outcome(200, "They should.", ProbeView),),
    errors=(UnavailableError,),
)

METRICS = Page(
    path="/metrics",
    summary="Metrics for Prometheus",
    answer=_metrics,
    outcomes=(Outcome(200, "The exposition.", content_type="text/plain"),),
    errors=(NotFoundError, UnavailableError),
)

PLUGINS = Page(
    path="/v1/plugins",
    summary="The plugins in use",
    answer=_plugins,
    outcomes=(Outcome(200, "All of them.", PluginPage),),
    errors=(UnavailableError,),
    is_public=False,
)
