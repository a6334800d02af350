from hypothesis import given
from hypothesis import strategies as st

from gateway.keyed import keyed_hash
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Rcpt
from gateway.smtp.parameters import Parameters
from gateway.transaction.plan import Copy, Plan, make_plan, persons_of
from gateway.transaction.ports import PlannedCopy

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def _planned(person: bytes, *, linked: bool) -> PlannedCopy:
    return PlannedCopy(person=person, linked=linked)


def test_each_candidate_has_a_copy_and_the_others_share_one() -> None:
    """Copies with a link in the order of RCPT, then the untouched one."""
    plan = make_plan([A, B, C, b"d"], frozenset({0, 2}))
    linked = (Copy(recipients=(0,), person=A), Copy(recipients=(2,), person=C))
    assert plan == Plan(
        persons=(A, B, C, b"d"), linked=linked, copies=(*linked, Copy(recipients=(1, 3), person=None))
    )


def test_no_candidate() -> None:
    """One untouched copy for all."""
    assert make_plan([A, B], frozenset()).copies == (Copy(recipients=(0, 1), person=None),)


def test_recipient_given_twice_is_one_copy() -> None:
    """Both RCPT lines go with one copy, also where only the first or the second form is a candidate."""
    both = (Copy(recipients=(0, 1), person=A),)
    assert [make_plan([A, A], frozenset(candidates)).copies for candidates in ({0, 1}, {0}, {1})] == [
        both
    ] * 3


def test_plan_of_an_open_record_holds() -> None:
    """Whom the record names gets what it says, whatever the rules say now; others by the verdict."""
    earlier = {A: _planned(A, linked=True), B: _planned(B, linked=False)}
    assert make_plan([A, B, C], frozenset({1, 2}), earlier).copies == (
        Copy(recipients=(0,), person=A),
        Copy(recipients=(2,), person=C),
        Copy(recipients=(1,), person=None),
    )


@given(
    st.lists(st.sampled_from([A, B, C, b"d"]), min_size=1, max_size=8),
    st.frozensets(st.integers(0, 7)),
    st.dictionaries(st.sampled_from([A, B, C]), st.booleans()),
)
def test_everybody_is_in_exactly_one_copy(
    persons: list[bytes], drawn: frozenset[int], known: dict[bytes, bool]
) -> None:
    """Every recipient once; a copy with a link is one person's, and all of that person's."""
    candidates = frozenset(index for index in drawn if index < len(persons))
    earlier = {person: _planned(person, linked=linked) for person, linked in known.items()}
    plan = make_plan(persons, candidates, earlier)
    assert sorted(index for copy in plan.copies for index in copy.recipients) == list(range(len(persons)))
    assert plan.linked == tuple(copy for copy in plan.copies if copy.person is not None)
    for copy in plan.linked:
        assert copy.recipients == tuple(i for i, person in enumerate(persons) if person == copy.person)
    untouched = [persons[index] for copy in plan.copies if copy.person is None for index in copy.recipients]
    assert all(not known.get(person, False) for person in untouched)
    assert all(persons[index] in known for index in candidates if persons[index] in untouched)


def test_persons_of() -> None:
    """One hash a recipient, of the normalised mailbox."""
    recipients = [
        Rcpt(parse_path(f"TO:<{address}>".encode(), b"TO", null_allowed=False)[0], Parameters())
        for address in ("A@X.test", "太郎@x.test")
    ]
    expected = tuple(keyed_hash(b"key", address.encode()) for address in ("a@x.test", "太郎@x.test"))
    assert persons_of(recipients, b"key") == expected
