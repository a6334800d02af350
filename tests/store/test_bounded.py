"""Texts from outside are made to fit, one by one or together."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.bounded import TEXT_LIMIT, all_bounded, bounded

_TEXTS = st.one_of(
    st.text(st.sampled_from("ab\0語\udc80"), max_size=5),
    st.integers(TEXT_LIMIT - 2, TEXT_LIMIT + 2).map(lambda size: "x" * size),
)


@given(st.lists(_TEXTS, max_size=4))
def test_together_as_one_by_one(texts: list[str]) -> None:
    """The look at all of them gives what a look at each gives."""
    made = all_bounded(*texts)
    assert made == tuple(map(bounded, texts))
    assert all(len(text) <= TEXT_LIMIT or "\\" in text for text in made)
    assert not any("\0" in text or "\udc80" in text for text in made)
