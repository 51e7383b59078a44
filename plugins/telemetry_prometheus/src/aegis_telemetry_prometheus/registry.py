"""A registry of one provider's own, so that two servers live in one process."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric

_CREATED = "_created"


class Registry(CollectorRegistry):
    """Leaves out the `_created` samples, which look like metrics of their own in the text format.

    The library's own switch for them is global to the process.
    """

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():
            created = metric.name + _CREATED
            metric.samples = [sample for sample in metric.samples if sample.name != created]
            yield metric
