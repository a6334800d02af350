from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import FIELDS, Reported, Unreadable, read_reported
from gateway.ledger.months import parse_moment
from gateway.token import encode_token

TOKEN = encode_token(b"t" * 16)
AT = "2026-12-01T09:00:00+09:00"
KEYS = PersonKeys(
    person=b"p" * 32, tombstone=b"t" * 32, digest=b"d" * 32, matching={"a": (("k", b"m" * 32),)}
)


def test_registration_of_the_issue() -> None:
    """The JSON that scripts rely on."""
    found = read_reported(
        {"id": "A-1001", "token": TOKEN, "email": "a@example.com", "registered_at": AT, "person_id": "P-77"}
    )
    assert found == Reported(
        id="A-1001", registered_at=parse_moment(AT), token=b"t" * 16, email="a@example.com", person_id="P-77"
    )


@pytest.mark.parametrize("field", ["token", "email", "email_hash", "person_id"])
def test_one_of_them_is_enough(field: str) -> None:
    """Token, address, its hash and the person's number may each be missing, but not all of them."""
    values = {"token": TOKEN, "email": "a@example.com", "email_hash": "AB" * 32, "person_id": 7}
    found = read_reported({"id": 1, "registered_at": AT, field: values[field]})
    assert found.id == "1"
    assert found.person_id in ("", "7")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": ""}, "id: missing"),
        ({"id": None}, "id: missing"),
        ({"id": "x" * 201}, "id: longer"),
        ({"id": "a\nb"}, "id: control"),
        ({"id": 1.5}, "id: text is wanted"),
        ({"registered_at": None}, "registered_at: missing"),
        ({"registered_at": "2026-12-01T09:00"}, "registered_at: .*names no time zone"),
        ({"registered_at": 1}, "registered_at: text is wanted"),
        ({"token": None}, "all missing"),
        ({"token": "zz"}, "token: this is no token"),
        ({"token": None, "email": "nobody"}, "email: this is no address"),
        ({"token": None, "email_hash": "12"}, "email_hash: 64"),
        ({"already_known": "perhaps"}, "already_known: write"),
        ({"already_known": 5}, "already_known: write"),
    ],
)
def test_what_cannot_be_read(changes: dict[str, Any], said: str) -> None:
    """The field and the reason, without an address in it."""
    with pytest.raises(Unreadable, match=said) as caught:
        read_reported({"id": "A-1", "registered_at": AT, "token": TOKEN} | changes)
    assert "nobody" not in str(caught.value)


def test_token_that_is_none_is_flagged_where_the_person_is_known() -> None:
    """A mangled link is no reason to lose a registration that says who it is."""
    found = read_reported({"id": "A-1", "registered_at": AT, "token": "mangled", "person_id": "P"})
    assert (found.token, found.token_flag) == (None, "token-unreadable")


@pytest.mark.parametrize(
    ("said", "known"), [(True, "active"), (False, ""), ("Inactive", "inactive"), ("", ""), (None, "")]
)
def test_known_before(said: object, known: str) -> None:
    """As JSON and as CSV have it."""
    values = {"id": "A", "registered_at": AT, "token": TOKEN, "already_known": said}
    assert read_reported(values).known == known


@given(st.dictionaries(st.sampled_from(FIELDS), st.text() | st.integers() | st.none() | st.booleans()))
def test_hostile_values_are_refused_or_read(values: dict[str, object]) -> None:
    """Nothing else comes out than a report or what is wrong."""
    try:
        found = read_reported(values)
    except Unreadable:
        return
    assert 0 < len(found.id) <= 200
    KEYS.digest_of("a", found)


def test_digest_tells_the_same_from_another() -> None:
    """Spelling of an address doesn't matter; everything else does."""
    base = Reported(id="A", registered_at=1, email="a@example.com")
    same = Reported(id="A", registered_at=1, email="Ａ@EXAMPLE.com")
    assert KEYS.digest_of("a", base) == KEYS.digest_of("a", same)
    others = [
        Reported(id="B", registered_at=1, email="a@example.com"),
        Reported(id="A", registered_at=2, email="a@example.com"),
        Reported(id="A", registered_at=1, email="b@example.com"),
        Reported(id="A", registered_at=1, email="a@example.com", person_id="P"),
        Reported(id="A", registered_at=1, email="a@example.com", token=b"t" * 16),
        Reported(id="A", registered_at=1, email="a@example.com", known="active"),
    ]
    assert len({KEYS.digest_of("a", one) for one in [base, *others]}) == 7
    assert KEYS.digest_of("a", base) != KEYS.digest_of("b", base)


def test_hashes_of_a_person() -> None:
    """Each use and each partner has its own; a partner without a key has none."""
    assert KEYS.matching_hashes("b", "a@example.com") == ()
    hashes = {
        KEYS.address("a@example.com"),
        KEYS.matching_hashes("a", "a@example.com")[0][1],
        KEYS.person_id("a", "a@example.com"),
        KEYS.person_id("b", "a@example.com"),
        KEYS.tombstone_of(KEYS.address("a@example.com")),
    }
    assert len(hashes) == 5
    assert "pppp" not in repr(KEYS)
