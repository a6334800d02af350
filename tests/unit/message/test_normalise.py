"""One spelling for all, and the way back to where it stood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import normalise as module
from gateway.message.normalise import normalise, positions

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "採用見送りカナｶﾊﾞﾟがｶ゛　 \t\r\n、。！（）ＡａAa１1〜～−‐\u3099\u200b\u00ad\u00a0ßİﬁ㈱①가\u1112\u1161\u11a8😀"  # noqa: E501 - as it is written
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        (" \r\n　", ""),
        ("ＡＢＣ　ｄｅｆ", "abc def"),
        ("採　用　結　果", "採用結果"),
        ("採用を\r\n見送", "採用を見送"),
        ("採用を \t\r\n　　見送", "採用を見送"),
        ("様\r\n\r\nこの度", "様\nこの度"),
        ("様\r\n \t\r\n\r\nこの度", "様\nこの度"),
        ("we regret\r\nto inform", "we regret to inform"),
        ("we regret\n\n\nto inform", "we regret\nto inform"),
        ("John\r\n様", "john 様"),
        ("結果（ＷＥＢ）！？", "結果(web)!?"),
        ("結果 （続き）", "結果(続き)"),
        ("ﾊﾟｿｺﾝ", "パソコン"),
        ("が", "が"),
        ("㈱サンプル①", "(株)サンプル1"),
        ("10〜20～30", "10~20~30"),
        ("−‐‑-", "----"),
        ("Straße ﬁn", "strasse fin"),
        ("un\u00adfor\u200btunate\ufeffly", "unfortunately"),
        ("採\u200b 用", "採用"),
        ("a\u00a0\u2003b", "a b"),
        ("遗憾 地", "遗憾地"),
        ("𝐑𝐞𝐠𝐫𝐞𝐭 😀", "regret 😀"),
        ("한국", "한국"),
    ],
)
def test_spellings(source: str, expected: str) -> None:
    """Width, case, spaces inside Japanese, blank lines, invisible characters, compatibility forms."""
    assert normalise(source) == expected


@given(TEXTS)
def test_normal_text_stays(source: str) -> None:
    """Normalising again changes nothing (a paragraph's end written as the blank line that it means)."""
    once = normalise(source)
    assert normalise(once.replace("\n", "\n\n")) == once


@given(TEXTS)
def test_positions_lead_back(source: str) -> None:
    """One position for each character and one for the end, never backwards, and each where its character was."""  # noqa: E501 - as it is written
    text = normalise(source)
    places = positions(source)
    assert len(places) == len(text) + 1
    assert list(places) == sorted(places)
    assert places[-1] == len(source)
    for index, character in enumerate(text):
        if character.isspace():
            assert (
                source[places[index]].isspace() or normalise(source[places[index]]) != source[places[index]]
            )
        else:
            assert not source[places[index]].isspace()


def test_positions_of_a_phrase() -> None:
    """A phrase found in the normal form is found again in the source."""
    source = "この度は\r\n採　用を見送"
    at = normalise(source).index("採用")
    places = positions(source)
    assert source[places[at] : places[at + 2]] == "採　用"


def test_usual_text_has_nothing_to_change() -> None:
    """The short way leaves out steps that would have found nothing, whatever the character."""
    for point in (*range(0xD800), *range(0xE000, 0x10000)):
        character = chr(point)
        among = f"…か{character}※"
        found = module._SPECIAL.search(among) is not None
        assert module._is_special(among, among.encode("utf-16-be")) is found
        if not module._is_special(character, character.encode("utf-16-be")):
            assert module._INVISIBLE.search(character) is None
            assert f"x{character}".lower() == f"x{character}".casefold()


def _one_by_one(source: str) -> str:
    """The normal form by the way that looks at every character that NFKC could change."""
    folded = "".join(character for character, _ in module._spaced(source)).casefold()
    return module._SEGMENT.sub(module._change, folded)


@given(TEXTS)
def test_the_short_ways_lead_to_the_same(source: str) -> None:
    """Whether all of it is normal, or after its full-width forms, or not even then."""
    assert normalise(source) == _one_by_one(source)


WHITE = st.text(alphabet=" \t\r\n\n　\x1c\u2028\0aか！", max_size=24)


@given(WHITE)
def test_white_space_in_order(source: str) -> None:
    """In one pass or paragraph by paragraph (where NUL is in it): as the way back says it was."""
    assert normalise(source) == _one_by_one(source)
    assert normalise(source + "\0").removesuffix("\0").rstrip() == normalise(source)


@given(st.lists(TEXTS, max_size=5), st.sampled_from(["\r\n\r\n", "\n\n"]))
def test_paragraphs_by_themselves(paragraphs: list[str], blank: str) -> None:
    """A text without NUL is its paragraphs, those that say something: letters are read so (`template`)."""
    pieces = [paragraph.replace("\0", "") for paragraph in paragraphs]
    assert normalise(blank.join(pieces)) == "\n".join(filter(None, map(normalise, pieces)))


def test_every_character() -> None:
    """Each character that NFKC may change, between Japanese ones, by the short way and the long one."""
    for point in (
        *range(0x3400),
        *range(0xE000, 0x10000),
        *range(0x1D400, 0x1D800),
        *range(0x1F100, 0x1F700),
    ):
        source = f"か{chr(point)}あ"
        assert normalise(source) == _one_by_one(source)


def test_many_different_characters() -> None:
    """Text with more compatibility characters than are replaced one by one."""
    source = "".join(map(chr, range(0x3300, 0x3358))) * 2
    assert normalise(source) == _one_by_one(source)
