"""The laws of every authenticator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_kernel.domain.errors import UnauthorizedError
from aegis_kernel.domain.principal import Principal, PrincipalKind, is_subject
from aegis_kernel.spi.authenticator import Authenticated, Authenticator, Headers
from aegis_kernel.testing.doubles import ManualClock

Good = Sequence[tuple[Headers, Principal]]

# What a proxy, or somebody who wants to be somebody else, may send along.
_STRANGE = {b"x-forwarded-user": b"mallory", b"x-aegis-user": b"mallory", b"cookie": b"a=b"}
_HOSTILE_VALUES = (
    st.binary(max_size=300)
    | st.sampled_from([b"Bearer ", b"Basic ", b"Negotiate "]).flatmap(
        lambda scheme: st.binary(max_size=300).map(lambda rest: scheme + rest)
    )
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
# Several subclasses run one test of this class; what one of them found is not replayed in another.
_SETTINGS = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class AuthenticatorConformance:
    """Override `authenticator`, `good` and `bad`; run with pytest-asyncio in auto mode.

    The authenticator must go by the fixture `clock`, which the tests move.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def authenticator(self, clock: ManualClock) -> Authenticator:
        """An opened authenticator; an async fixture that closes it afterwards will do."""
        raise NotImplementedError("override the fixture `authenticator`")

    @pytest.fixture
    def good(self, clock: ManualClock) -> Good:
        """Headers that authenticate now, each with the principal that they make."""
        raise NotImplementedError("override the fixture `good`")

    @pytest.fixture
    def bad(self) -> Sequence[Headers]:
        """Headers that are this authenticator's to judge, and bad: at least two kinds."""
        raise NotImplementedError("override the fixture `bad`")

    @pytest.fixture
    def not_mine(self) -> Sequence[Headers]:
        """Headers that another authenticator may understand."""
        return ()

    @pytest.fixture
    def secrets(self) -> Sequence[str]:
        """Text that no repr may show: a signing secret, a token."""
        return ()

    def test_it_says_which_headers_it_reads_and_who_it_is(
        self, authenticator: Authenticator
    ) -> None:
        names = authenticator.credential_headers
        assert names
        assert all(isinstance(name, bytes) and name == name.lower() for name in names)
        assert authenticator.description.isprintable()
        assert authenticator.description.strip()

    async def test_it_is_healthy_once_opened(self, authenticator: Authenticator) -> None:
        assert (await authenticator.check()).status == "ok"

    async def test_good_credentials_make_their_principal(
        self, authenticator: Authenticator, good: Good, clock: ManualClock
    ) -> None:
        assert good
        for headers, principal in good:
            authenticated = await authenticator.authenticate(MappingProxyType(dict(headers)))
            assert authenticated is not None
            assert authenticated.principal == principal
            require_sound(authenticated, clock)

    async def test_no_answer_outlives_its_credential(
        self, authenticator: Authenticator, good: Good, clock: ManualClock
    ) -> None:
        begin = clock.time()
        for headers, _ in good:
            first = await authenticator.authenticate(headers)
            assert first is not None
            clock.advance(first.valid_until - clock.time() + 0.001)
            try:
                later = await authenticator.authenticate(headers)
            except UnauthorizedError:
                later = None
            assert later is None or later.valid_until > clock.time()
            clock.step(begin - clock.time())

    async def test_no_credentials_are_nobody(
        self, authenticator: Authenticator, not_mine: Sequence[Headers]
    ) -> None:
        assert await authenticator.authenticate({}) is None
        for headers in not_mine:
            assert await authenticator.authenticate(headers) is None

    async def test_every_bad_credential_is_refused_with_the_same_words(
        self, authenticator: Authenticator, bad: Sequence[Headers]
    ) -> None:
        assert len(bad) >= 2
        assert len({(await refusal(authenticator, headers)).message for headers in bad}) == 1

    async def test_headers_that_it_does_not_name_change_nothing(
        self, authenticator: Authenticator, good: Good, bad: Sequence[Headers]
    ) -> None:
        named = authenticator.credential_headers
        strange = {name: value for name, value in _STRANGE.items() if name not in named}
        assert await authenticator.authenticate(strange) is None
        for headers, principal in good:
            authenticated = await authenticator.authenticate({**strange, **headers})
            assert authenticated is not None
            assert authenticated.principal == principal
        for headers in bad:
            await refusal(authenticator, {**strange, **headers})

    async def test_concurrent_callers_each_get_their_own_answer(
        self, authenticator: Authenticator, good: Good, bad: Sequence[Headers]
    ) -> None:
        async def ask(headers: Headers) -> Principal | None:
            try:
                authenticated = await authenticator.authenticate(headers)
            except UnauthorizedError:
                return None
            return authenticated.principal if authenticated else None

        expected = [*good, *((headers, None) for headers in bad)] * 16
        answers = await asyncio.gather(*(ask(headers) for headers, _ in expected))
        assert answers == [principal for _, principal in expected]

    @_SETTINGS
    @given(data=st.data())
    async def test_hostile_headers_are_refused_and_nothing_else(
        self, authenticator: Authenticator, clock: ManualClock, data: st.DataObject
    ) -> None:
        headers = {name: data.draw(_HOSTILE_VALUES) for name in authenticator.credential_headers}
        try:
            authenticated = await authenticator.authenticate(headers)
        except UnauthorizedError:
            return
        if authenticated is not None:
            require_sound(authenticated, clock)

    async def test_no_repr_shows_a_credential(
        self,
        authenticator: Authenticator,
        good: Good,
        bad: Sequence[Headers],
        secrets: Sequence[str],
    ) -> None:
        shown = [f"{await authenticator.authenticate(headers)!r}" for headers, _ in good]
        shown += [f"{authenticator!r}{authenticator}{getattr(authenticator, '__dict__', '')}"]
        assert not [secret for secret in secrets if secret in "".join(shown)]
        for headers in bad:
            error = await refusal(authenticator, headers)
            said = f"{error!r}{error}{error.reason}"
            assert not [part for part in words(headers) if part in said]


def require_sound(authenticated: Authenticated, clock: ManualClock) -> None:
    """Assert what holds for every answer: a nameable principal, and time left."""
    principal = authenticated.principal
    assert is_subject(principal.subject)
    assert principal.kind in (PrincipalKind.HUMAN, PrincipalKind.SERVICE)
    assert isinstance(principal.groups, frozenset)
    assert all(isinstance(group, str) for group in principal.groups)
    assert authenticated.valid_until > clock.time()


async def refusal(authenticator: Authenticator, headers: Headers) -> UnauthorizedError:
    """Return the error that `headers` raise; anything else fails the test."""
    with pytest.raises(UnauthorizedError) as caught:
        await authenticator.authenticate(headers)
    return caught.value


def words(headers: Headers) -> list[str]:
    """Return the parts of the values that are long enough to be recognised in a text."""
    text = " ".join(value.decode("latin-1") for value in headers.values())
    return [word for word in text.split() if len(word) >= 8]
