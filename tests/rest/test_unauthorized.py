"""Every bad credential has one answer, byte for byte: nobody learns why."""

from __future__ import annotations

import runpy
from pathlib import Path

import httpx

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import settings

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "plugins/auth_hmac/tests/test_hmac_refusals.py"))


async def test_every_row_of_the_table_of_bad_tokens_has_the_same_answer(tmp_path: Path) -> None:
    secret = TABLE["SECRET"].decode()
    chosen = settings(tmp_path, AEGIS_AUTH_KIND="hmac", AEGIS_AUTH_HMAC_SECRET=secret)
    answers = set()
    async with Kernel(chosen, ManualClock(float(TABLE["NOW"]))) as kernel:
        transport = httpx.ASGITransport(build_app(kernel))
        async with httpx.AsyncClient(transport=transport, base_url="http://aegis") as http:
            good = {"Authorization": b"Bearer " + TABLE["GOOD"]}
            assert (await http.get("/v1/keys", headers=good)).status_code == 200
            for token, _ in TABLE["REFUSED"].values():
                refused = await http.get("/v1/keys", headers={"Authorization": b"Bearer " + token})
                head = {name: v for name, v in refused.headers.items() if name != "x-request-id"}
                answers.add((refused.status_code, refused.content, tuple(head.items())))
            nothing = await http.get("/v1/keys")
            assert (nothing.status_code, nothing.content) in {answer[:2] for answer in answers}
    assert len(TABLE["REFUSED"]) > 100
    assert len(answers) == 1
    ((status, body, head),) = answers
    assert (status, dict(head)["www-authenticate"]) == (401, 'Bearer realm="aegis"')
    assert b"signature" not in body
