from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.transport_server import token_text

from acomps.errors import MalformedAnswer
from acomps.transport import Token, TokenKind


def test_a_token_tells_its_user_kind_times_and_groups() -> None:
    token = Token.parse(token_text(7))
    assert token.user == "jdoe"
    assert token.kind is TokenKind.AUTH
    assert token.created == datetime(2031, 1, 1, tzinfo=UTC)
    assert token.expiry == datetime(2031, 1, 1, 4, tzinfo=UTC)
    assert token.groups == ("LOCAL", "IDM")
    assert token.environments == ("Local", "Hpc")


def test_a_token_keeps_commas_after_its_fifteenth_field_and_white_space_around_it_does_not_count() -> None:
    text = f"{token_text()},a,b,c"
    assert Token.parse(f" {text}\n").secret == text


def test_fourteen_fields_are_enough() -> None:
    token = Token.parse(",".join(token_text().split(",")[:14]))
    assert token.environments == ("Local", "Hpc")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        ",".join(token_text().split(",")[:13]),
        token_text(kind="Other"),
        token_text(expiry="tomorrow"),
        token_text(expiry="2031-13-01-00-00-00"),
        token_text(user=""),
        token_text(user="j\ndoe"),
        token_text(user="łukasz"),
    ],
)
def test_an_unusable_token_is_an_error_that_does_not_show_it(text: str) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        Token.parse(text)
    assert "hash0" not in str(caught.value)
    assert "sig" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_token_or_malformed(text: str) -> None:
    with contextlib.suppress(MalformedAnswer):
        Token.parse(text)


@pytest.mark.parametrize(
    ("kind", "created", "expiry", "renew_at"),
    [
        ("Auth", "2031-01-01-00-00-00", "2031-01-01-04-00-00", datetime(2031, 1, 1, 2, tzinfo=UTC)),
        ("Auth", "2031-01-01-00-00-00", "2031-01-02-00-00-00", datetime(2031, 1, 1, 22, tzinfo=UTC)),
        ("Auth", "2031-01-01-00-00-00", "2031-01-01-01-00-00", datetime(2031, 1, 1, 0, 30, tzinfo=UTC)),
        ("Auth", "unknown", "2031-01-01-04-00-00", datetime(2031, 1, 1, 2, tzinfo=UTC)),
        ("System", "2031-01-01-00-00-00", "2031-01-01-04-00-00", datetime(2031, 1, 1, 4, tzinfo=UTC)),
    ],
)
def test_renewal_is_two_hours_early_but_never_in_the_first_half_of_the_life(
    kind: str, created: str, expiry: str, renew_at: datetime
) -> None:
    assert Token.parse(token_text(kind=kind, created=created, expiry=expiry)).renew_at == renew_at


def test_no_text_form_of_a_token_shows_its_secret() -> None:
    token = Token.parse(token_text())
    for text in (repr(token), str(token), f"{token}", f"{token!r}", repr([token])):
        assert "hash0" not in text
        assert "sig" not in text
