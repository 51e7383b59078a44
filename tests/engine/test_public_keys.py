"""Key pairs through the pipeline: what the record says, and which versions still open."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.ciphertext import CiphertextFormat
from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, Curve, ParameterSet
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.messages_encapsulation import Decapsulate, Encapsulate
from tests.support.kernel import ALICE, active_key, last_record, settings

ML_KEM = {"algorithm": Algorithm.ML_KEM, "parameter_set": ParameterSet.ML_KEM_1024}
HYBRID = {"algorithm": Algorithm.ML_KEM, "parameter_set": ParameterSet.ML_KEM_1024_P384}
PLAINTEXT = b"q2 financial summary"


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


async def test_the_record_names_version_and_algorithm_and_nothing_secret(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **ML_KEM)
    made = await kernel.pipeline.run(op.ENCAPSULATE, ALICE, Encapsulate(), key_id)
    record = await last_record(kernel)
    said = (record["op"], record["outcome"], record["keyVersion"], record["alg"])
    assert said == ("Encapsulate", "Success", 1, "MlKem1024")
    opened = await kernel.pipeline.run(op.DECAPSULATE, ALICE, Decapsulate(made.ciphertext), key_id)
    assert opened.shared_secret == made.shared_secret
    record = await last_record(kernel)
    assert (record["op"], record["keyVersion"], record["alg"]) == ("Decapsulate", 1, "MlKem1024")
    assert made.shared_secret.reveal().hex() not in json.dumps(record)
    assert "b'" not in repr(opened)


async def test_a_raw_ciphertext_is_recorded_with_the_version_that_was_named(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **ML_KEM)
    made = await kernel.pipeline.run(op.ENCAPSULATE, ALICE, Encapsulate(), key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    raw = Decapsulate(made.ciphertext[25:], CiphertextFormat.RAW, 1)
    opened = await kernel.pipeline.run(op.DECAPSULATE, ALICE, raw, key_id)
    assert (opened.shared_secret, opened.key_version) == (made.shared_secret, 1)
    assert (await last_record(kernel))["keyVersion"] == 1


async def test_a_ciphertext_outlives_a_rotation_and_ends_with_the_compromise_of_its_version(
    kernel: Kernel,
) -> None:
    key_id = await active_key(kernel, **HYBRID)
    sealed = await kernel.pipeline.run(op.ENCRYPT, ALICE, m.Encrypt(Secret(PLAINTEXT)), key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    opened = await kernel.pipeline.run(op.DECRYPT, ALICE, m.Decrypt(sealed.ciphertext), key_id)
    assert (opened.plaintext.reveal(), opened.key_version) == (PLAINTEXT, 1)
    compromised = m.CompromiseVersion(1, "leaked")
    await kernel.pipeline.run(op.COMPROMISE_VERSION, ALICE, compromised, key_id)
    raw = m.Decrypt(sealed.ciphertext[25:], None, CiphertextFormat.RAW, 1)
    for request in (m.Decrypt(sealed.ciphertext), raw):
        with pytest.raises(IllegalOperationError):
            await kernel.pipeline.run(op.DECRYPT, ALICE, request, key_id)


async def test_a_key_pair_made_for_signing_alone_does_not_decrypt(kernel: Kernel) -> None:
    signing = frozenset({Usage.SIGN, Usage.VERIFY})
    key_id = await active_key(kernel, algorithm=Algorithm.EC, curve=Curve.P256, usages=signing)
    with pytest.raises(IllegalOperationError, match="usages leave out encrypt"):
        await kernel.pipeline.run(op.ENCRYPT, ALICE, m.Encrypt(Secret(PLAINTEXT)), key_id)
