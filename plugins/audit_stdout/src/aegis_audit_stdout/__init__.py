"""Audit sink: the ledger on standard output, one line of JSON per record and nothing else."""

from __future__ import annotations

from aegis_audit_stdout.sink import StdoutSink
from aegis_kernel import AuditSink, PluginContext, hookimpl
from aegis_kernel import Plugin as _Plugin

__all__ = ["Plugin", "StdoutSink"]


class Plugin(_Plugin):
    """Entry point `stdout` of group `aegis.audit_sink`."""

    spi_version = 1

    @hookimpl
    def aegis_audit_sink(self, context: PluginContext) -> AuditSink:
        return StdoutSink(context.executor)
