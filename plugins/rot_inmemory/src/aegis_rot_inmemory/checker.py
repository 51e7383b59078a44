"""Asks `checking.py`, in a process of its own, whether a key from outside is sound."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

from aegis_kernel import BadRequestError, KeySpec, Secret, UnavailableError
from aegis_rot_inmemory import checking

MOST_SECONDS = 15.0
MOST_WAITING = 8


class Checker:
    """One process at a time, and at most 8 keys that are checked or wait for it.

    A key travels through pipes alone: no argument, environment or file ever holds it.
    """

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._room = MOST_WAITING
        self._turn = asyncio.Semaphore(1)

    async def private(self, der: Secret, spec: KeySpec) -> bytes:
        """Return the private key as PKCS #8 in its canonical form.

        Raises BadRequestError unless it is a sound key of `spec`, and UnavailableError when too many
        keys wait or the check took too long.
        """
        return await self._checked("private", der.reveal(), spec)

    async def public(self, der: bytes, spec: KeySpec) -> bytes:
        """Return the public key as SubjectPublicKeyInfo in its canonical form. Raises as above."""
        return await self._checked("public", der, spec)

    async def _checked(self, form: str, der: bytes, spec: KeySpec) -> bytes:
        kind = kind_of(spec)
        if len(der) > checking.MOST_BYTES:
            raise _refused(form, kind, f"it has more than {checking.MOST_BYTES} bytes")
        if self._room <= 0:
            raise UnavailableError("Too many imports are waiting; try again in a moment")
        self._room -= 1
        try:
            async with self._turn:
                code, said = await self._run(form, kind, der)
        finally:
            self._room += 1
        if code == checking.NOT_SOUND:
            raise _refused(form, kind, said.decode())
        if code != 0:
            raise UnavailableError("The key could not be checked", reason=f"exit code {code}")
        return said

    async def _run(self, form: str, kind: str, der: bytes) -> tuple[int | None, bytes]:
        # -I and no environment: nothing that stands around this server has a say, and no secret of
        # its settings is handed on.
        command = (sys.executable, "-I", str(checking.__file__), form, kind)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
            )
        except OSError as error:
            raise UnavailableError("The key could not be checked", reason=str(error)) from error
        try:
            async with asyncio.timeout(self._most_seconds):
                said, _ = await process.communicate(der)
        except TimeoutError:
            raise UnavailableError("Checking the key took too long", reason="time limit") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, said


def kind_of(spec: KeySpec) -> str:
    """Return the name of a kind of key; those of `checking.KINDS` are the pairs that it knows."""
    return str(spec.curve or spec.parameter_set or f"{spec.algorithm}-{spec.size_bits}")


def _refused(form: str, kind: str, why: str) -> BadRequestError:
    return BadRequestError(f"This is no {form} key of {kind}: {why}")
