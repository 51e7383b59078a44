"""One spelling in: everything else is refused, with the code that says why, and never with a 500."""

from __future__ import annotations

import json
from base64 import b64encode

import httpx
import pytest

from tests.support.wire import assert_refused

JSON = {"Content-Type": "application/json"}
AES = '"algorithm":"AES","sizeBits":256'


def created(spec: str, more: str = "") -> bytes:
    return f'{{"spec":{{{spec}}}{more}}}'.encode()


def encrypted(more: str) -> bytes:
    return f'{{"plaintextBase64":"aGVsbG8="{more}}}'.encode()


BAD_CREATE = {
    "no body": b"",
    "not JSON": b"name=demo",
    "cut off": b'{"spec":{"name":"a"',
    "a list": b"[]",
    "a string": b'"spec"',
    "null": b"null",
    "a number": b"1",
    "NaN": b'{"spec":NaN}',
    "Infinity": b'{"spec":Infinity}',
    "two documents": created(f'"name":"a",{AES}') * 2,
    "a trailing comma": b'{"spec":{"name":"a","algorithm":"AES","sizeBits":256,}}',
    "a comment": b"{} // nothing",
    "single quotes": b"{'spec':{}}",
    "a byte order mark": b"\xef\xbb\xbf" + created(f'"name":"a",{AES}'),
    "UTF-16": created(f'"name":"a",{AES}').decode().encode("utf-16"),
    "no spec": b"{}",
    "spec null": b'{"spec":null}',
    "spec a list": b'{"spec":[]}',
    "spec a string": b'{"spec":"AES"}',
    "no name": created(AES),
    "no algorithm": created('"name":"a","sizeBits":256'),
    "no size": created('"name":"a","algorithm":"AES"'),
    "an unknown algorithm": created('"name":"a","algorithm":"DES","sizeBits":256'),
    "an algorithm in lower case": created('"name":"a","algorithm":"aes","sizeBits":256'),
    "an algorithm of another type": created('"name":"a","algorithm":1,"sizeBits":256'),
    "a size as text": created('"name":"a","algorithm":"AES","sizeBits":"256"'),
    "a size with a fraction": created('"name":"a","algorithm":"AES","sizeBits":256.5'),
    "a size as a float": created('"name":"a","algorithm":"AES","sizeBits":256.0'),
    "a size as a boolean": created('"name":"a","algorithm":"AES","sizeBits":true'),
    "a size null": created('"name":"a","algorithm":"AES","sizeBits":null'),
    "a size AES has not": created('"name":"a","algorithm":"AES","sizeBits":512'),
    "a negative size": created('"name":"a","algorithm":"AES","sizeBits":-256'),
    "an enormous size": created(f'"name":"a","algorithm":"AES","sizeBits":{10**400}'),
    "a size RSA has not": created('"name":"a","algorithm":"RSA","sizeBits":1024'),
    "a curve for AES": created(f'"name":"a",{AES},"curve":"P-256"'),
    "a size for EC": created('"name":"a","algorithm":"EC","curve":"P-256","sizeBits":256'),
    "a curve EC has not": created('"name":"a","algorithm":"EC","curve":"Ed25519"'),
    "a curve EdDSA has not": created('"name":"a","algorithm":"EdDSA","curve":"P-256"'),
    "an object type AES is not": created(f'"name":"a",{AES},"objectType":"PrivateKey"'),
    "an object type HMAC is not": created(
        '"name":"a","algorithm":"HMAC","sizeBits":256,"objectType":"PrivateKey"'
    ),
    "an empty name": created(f'"name":"",{AES}'),
    "a name of 257 characters": created(f'"name":"{"a" * 257}",{AES}'),
    "a name that is a number": created(f'"name":1,{AES}'),
    "a name with NUL": created(f'"name":"a\\u0000b",{AES}'),
    "a name with a raw NUL": created(f'"name":"a\0b",{AES}'),
    "a name with a line break": created(f'"name":"a\nb",{AES}'),
    "a name in Latin-1": created(f'"name":"ü",{AES}').decode().encode("latin-1"),
    "a lone high surrogate": created(f'"name":"\\ud800 and more text",{AES}'),
    "a lone low surrogate": created(f'"name":"\\udc00",{AES}'),
    "two high surrogates": created(f'"name":"\\ud800\\ud800",{AES}'),
    "a surrogate in UTF-8": created('"name":"').replace(
        b"}}", b'\xed\xa0\x80",' + AES.encode() + b"}}"
    ),
    "an overlong UTF-8": created('"name":"').replace(b"}}", b'\xc0\xaf",' + AES.encode() + b"}}"),
    "an unknown field": created(f'"name":"a",{AES}', ',"owner":"bob"'),
    "an unknown field in spec": created(f'"name":"a",{AES},"exportable":true'),
    "snake case": created('"name":"a","algorithm":"AES","size_bits":256'),
    "a field of another message": created(f'"name":"a",{AES}', ',"reason":"x"'),
    "spec twice": b'{"spec":{"name":"a",%b},"spec":{"name":"a",%b}}' % (AES.encode(), AES.encode()),
    "name twice": created(f'"name":"a","name":"b",{AES}'),
    "name twice, once escaped": created(f'"name":"a","n\\u0061me":"b",{AES}'),
    "algorithm twice": created(f'"algorithm":"AES","name":"a",{AES}'),
    "two algorithms": created(f'"algorithm":"RSA","name":"a",{AES}'),
    "size twice with colons in the name": created(f'"name":"::::","sizeBits":128,{AES}'),
    "a tag twice": created(f'"name":"a",{AES}', ',"tags":{"team":"a","team":"b"}'),
    "a tag that is a number": created(f'"name":"a",{AES}', ',"tags":{"team":1}'),
    "a tag that is null": created(f'"name":"a",{AES}', ',"tags":{"team":null}'),
    "tags as a list": created(f'"name":"a",{AES}', ',"tags":["team"]'),
    "an empty tag key": created(f'"name":"a",{AES}', ',"tags":{"":"a"}'),
    "a tag key with =": created(f'"name":"a",{AES}', ',"tags":{"a=b":"c"}'),
    "a tag key with NUL": created(f'"name":"a",{AES}', ',"tags":{"a\\u0000":"c"}'),
    "65 tags": created(
        f'"name":"a",{AES}', f',"tags":{json.dumps({str(n): "" for n in range(65)})}'
    ),
    "a description null": created(f'"name":"a",{AES}', ',"description":null'),
    "a description of 1025": created(f'"name":"a",{AES}', f',"description":"{"d" * 1025}"'),
    "no such root of trust": created(f'"name":"a",{AES}', ',"rootOfTrust":"nowhere"'),
    "deep nesting": b'{"spec":' * 10_000,
    "deep lists": b"[" * 60_000,
    "deep lists in an unknown field": b'{"x":' + b"[" * 60_000,
}

BAD_ENCRYPT = {
    "no plaintext": b"{}",
    "plaintext null": b'{"plaintextBase64":null}',
    "plaintext a number": b'{"plaintextBase64":1}',
    "plaintext a list of bytes": b'{"plaintextBase64":[104,105]}',
    "not base64": b'{"plaintextBase64":"hello!"}',
    "no padding": b'{"plaintextBase64":"aGVsbG8"}',
    "too much padding": b'{"plaintextBase64":"aGVsbG8=="}',
    "padding alone": b'{"plaintextBase64":"===="}',
    "padding that is not needed": b'{"plaintextBase64":"aGVsbG8h="}',
    "padding in the middle": b'{"plaintextBase64":"aGk=aGk="}',
    "unused bits that are set": b'{"plaintextBase64":"aGVsbG9="}',
    "base64url": b'{"plaintextBase64":"_-8="}',
    "a space": b'{"plaintextBase64":"aGVs bG8="}',
    "an escaped line break": b'{"plaintextBase64":"aGVs\\nbG8="}',
    "a raw line break": b'{"plaintextBase64":"aGVs\nbG8="}',
    "text that is not ASCII": '{"plaintextBase64":"aGVsbG8ü"}'.encode(),
    "plaintext twice": b'{"plaintextBase64":"aGk=","plaintextBase64":"aGo="}',
    "context null": encrypted(',"context":null'),
    "context a list": encrypted(',"context":[]'),
    "context a string": encrypted(',"context":"tenant=acme"'),
    "a context value that is a number": encrypted(',"context":{"a":1}'),
    "a context value that is an object": encrypted(',"context":{"a":{}}'),
    "a context key twice": encrypted(',"context":{"a":"1","a":"1"}'),
    "a context key twice, once escaped": encrypted(',"context":{"a":"1","\\u0061":"2"}'),
    "a context key twice beside a colon": encrypted(',"context":{"a":":","a":":"}'),
    "context twice": encrypted(',"context":{},"context":{}'),
    "65 context pairs": encrypted(f',"context":{json.dumps({str(n): "" for n in range(65)})}'),
    "a context of 9 KiB": encrypted(f',"context":{{"a":"{"x" * 4600}","b":"{"x" * 4600}"}}'),
    "an unknown field": encrypted(',"aad":"x"'),
}

BAD_QUERY = [
    "state=active", "state=", "state=Active&state=Active", "state", "=Active", "colour=red",
    "limit=0", "limit=501", "limit=-1", "limit=1.0", "limit=1e2", "limit=%2B5", "limit= 5",
    "limit=٣", "limit=", "limit=" + "9" * 5000, "name=", "name=a%00b", "name=%ff", "name=" + "a" * 257,
    "algorithm=DES", "tag=", "cursor=abc", "cursor=-1", "cursor=", "&", "limit=5&", "State=Active",
    "&".join(f"x{n}=1" for n in range(100)),
]  # fmt: skip

BAD_IDS = [
    "8A3F1E25-6B0A-4F5D-8E92-1C4F6A83B2D9", "8a3f1e256b0a4f5d8e921c4f6a83b2d9",
    "{8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9}", "urn:uuid:8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9",
    "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9%20", "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9%0a", "1",
    "%00", "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d", "٨a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9",
]  # fmt: skip


def cases(bodies: dict[str, bytes]) -> list[object]:
    return [pytest.param(body, id=name) for name, body in bodies.items()]


@pytest.mark.parametrize("body", cases(BAD_CREATE))
async def test_create_refuses(alice: httpx.AsyncClient, body: bytes) -> None:
    assert_refused(await alice.post("/v1/keys", content=body, headers=JSON), 400, "BadRequest")


@pytest.mark.parametrize("body", cases(BAD_ENCRYPT))
async def test_encrypt_refuses(alice: httpx.AsyncClient, key_id: str, body: bytes) -> None:
    response = await alice.post(f"/v1/keys/{key_id}/encrypt", content=body, headers=JSON)
    assert_refused(response, 400, "BadRequest")


@pytest.mark.parametrize("query", BAD_QUERY)
async def test_list_refuses_the_query(alice: httpx.AsyncClient, query: str) -> None:
    assert_refused(await alice.get(f"/v1/keys?{query}"), 400, "BadRequest")


@pytest.mark.parametrize("spelling", BAD_IDS)
async def test_a_key_id_has_one_spelling(alice: httpx.AsyncClient, spelling: str) -> None:
    assert_refused(await alice.get(f"/v1/keys/{spelling}"), 404, "KeyNotFound")


@pytest.mark.parametrize("verb", ["compromise", "sign", "verify", "decrypt", "wrap", "unwrap"])
async def test_what_needs_a_body_says_so(alice: httpx.AsyncClient, key_id: str, verb: str) -> None:
    response = await alice.post(f"/v1/keys/{key_id}/{verb}")
    assert_refused(response, 400, "BadRequest")
    assert "body" in response.json()["message"]


@pytest.mark.parametrize("reason", ['""', "null", "1", f'"{"r" * 1025}"', '"\\u0000"'])
async def test_a_reason_is_text(alice: httpx.AsyncClient, key_id: str, reason: str) -> None:
    body = f'{{"reason":{reason}}}'.encode()
    for verb in ("compromise", "deactivate", "rotate"):
        response = await alice.post(f"/v1/keys/{key_id}/{verb}", content=body, headers=JSON)
        assert_refused(response, 400, "BadRequest")


@pytest.mark.parametrize("version", ["0", "-1", "2147483648", '"1"', "1.0", "null", "99"])
async def test_verify_takes_a_version_that_there_is(
    alice: httpx.AsyncClient, key_id: str, version: str
) -> None:
    body = (
        '{"messageBase64":"aGk=","signatureBase64":"aGk=","algorithm":"RsaPssSha256",'
        f'"keyVersion":{version}}}'
    )
    response = await alice.post(f"/v1/keys/{key_id}/verify", content=body.encode(), headers=JSON)
    assert_refused(response, 400, "BadRequest")


@pytest.mark.parametrize("days", ["-1", "366", "1.5", "x", "7&pendingDays=7"])
async def test_destruction_waits_a_number_of_days(
    alice: httpx.AsyncClient, key_id: str, days: str
) -> None:
    response = await alice.delete(f"/v1/keys/{key_id}?pendingDays={days}")
    assert_refused(response, 400, "BadRequest")


async def test_what_takes_no_parameters_says_so(alice: httpx.AsyncClient, key_id: str) -> None:
    for method, path in (("GET", ""), ("POST", "/activate"), ("POST", "/encrypt")):
        response = await alice.request(method, f"/v1/keys/{key_id}{path}?verbose=1")
        assert_refused(response, 400, "BadRequest")


async def test_what_takes_no_body_says_so(alice: httpx.AsyncClient, key_id: str) -> None:
    for method in ("GET", "DELETE"):
        response = await alice.request(method, f"/v1/keys/{key_id}", json={"reason": "x"})
        assert_refused(response, 400, "BadRequest")


async def test_a_payload_of_64_kib_fits_and_one_byte_more_does_not(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    fits, too_long = b64encode(bytes(65_536)).decode(), b64encode(bytes(65_537)).decode()
    url = f"/v1/keys/{key_id}/encrypt"
    encrypted = await alice.post(url, json={"plaintextBase64": fits})
    assert encrypted.status_code == 200
    assert_refused(
        await alice.post(url, json={"plaintextBase64": too_long}), 413, "PayloadTooLarge"
    )
    ciphertext = {"ciphertextBase64": encrypted.json()["ciphertextBase64"]}
    decrypted = await alice.post(f"/v1/keys/{key_id}/decrypt", json=ciphertext)
    assert decrypted.json()["plaintextBase64"] == fits


async def test_a_refusal_says_where_but_repeats_no_payload(
    alice: httpx.AsyncClient, key_id: str
) -> None:
    body = b'{"plaintextBase64":"c2VjcmV0IGJ5dGVz!","context":{"secret-key":1}}'
    response = await alice.post(f"/v1/keys/{key_id}/encrypt", content=body, headers=JSON)
    assert "$.plaintextBase64" in response.text
    assert "c2VjcmV0" not in response.text
    body = b'{"plaintextBase64":"aGk=","context":{"secret-key":1}}'
    response = await alice.post(f"/v1/keys/{key_id}/encrypt", content=body, headers=JSON)
    assert "$.context" in response.text
    assert "secret-key" not in response.text


async def test_a_long_name_of_an_unknown_field_is_not_sent_back(alice: httpx.AsyncClient) -> None:
    body = json.dumps({"x" * 100_000: 1}).encode()
    assert_refused(await alice.post("/v1/keys", content=body, headers=JSON), 400, "BadRequest")


async def test_base64_in_lines_gets_the_remedy(alice: httpx.AsyncClient, key_id: str) -> None:
    body = b'{"plaintextBase64":"aGVs\nbG8="}'
    response = await alice.post(f"/v1/keys/{key_id}/encrypt", content=body, headers=JSON)
    assert "base64 -w0" in response.json()["message"]
