import pytest

from gateway.footer.place import Placement, Where, newline_of, plain_spot, stuffed


def placed(
    decoded: str, new_end: int | None = None, where: Where = Where.AUTO, *, flowed: bool = False
) -> str:
    """The text with FOOT in its place."""
    newline = newline_of(decoded)
    end = len(decoded) if new_end is None else new_end
    spot = plain_spot(decoded, end, where, newline=newline, flowed=flowed)
    run = f"{spot.lead}FOOT{spot.trail}"
    text = decoded[: spot.start] + run + decoded[spot.end :]
    for start, last in sorted(spot.removed, reverse=True):
        moved = len(run) - (spot.end - spot.start) if start > spot.start else 0
        text = text[: start + moved] + text[last + moved :]
    return text


@pytest.mark.parametrize(
    ("decoded", "expected"),
    [
        ("", "FOOT"),
        ("a\r\n", "a\r\n\r\nFOOT\r\n"),
        ("a", "a\r\n\r\nFOOT"),
        ("a\r\n\r\n", "a\r\n\r\nFOOT\r\n"),
        ("a\r\n \u3000\r\n", "a\r\n \u3000\r\nFOOT\r\n"),
        ("a\n", "a\n\nFOOT\n"),
        ("{{x}}\n", "{{x}}\n\nFOOT\n"),
    ],
)
def test_at_the_end_one_blank_line_stands_before_the_footer(decoded: str, expected: str) -> None:
    """In the text's own line ends; a missing last line end stays missing."""
    assert placed(decoded) == expected


@pytest.mark.parametrize(
    ("new", "rest", "expected"),
    [
        ("a\r\n", "> q\r\n", "a\r\n\r\nFOOT\r\n\r\n> q\r\n"),
        ("a\r\n\r\n", "> q\r\n", "a\r\n\r\nFOOT\r\n\r\n> q\r\n"),
        ("a\r\n", "\r\n> q", "a\r\n\r\nFOOT\r\n\r\n> q"),
        ("a", "\r\n\r\n> q", "a\r\n\r\nFOOT\r\n\r\n> q"),
        ("", "> q", "FOOT\r\n\r\n> q"),
        ("a", " > q", "a\r\n\r\nFOOT\r\n\r\n > q"),
    ],
)
def test_before_a_quote_blank_lines_stand_on_both_sides(new: str, rest: str, expected: str) -> None:
    """And only one on each."""
    assert placed(new + rest, len(new)) == expected
    spot = plain_spot(new + rest, len(new), Where.AUTO, newline="\r\n", flowed=False)
    assert spot.how is Placement.BEFORE_QUOTE


def test_a_flowed_line_does_not_take_the_blank_line() -> None:
    """RFC 3676 §4.1: a line with a blank at its end goes on in the next; "-- " does not."""
    assert placed("a \r\n", flowed=True) == "a \r\n\r\n\r\nFOOT\r\n"
    assert placed("a ", flowed=True) == "a \r\n\r\n\r\nFOOT"
    assert placed("a\r\n-- \r\n", flowed=True) == "a\r\n-- \r\n\r\nFOOT\r\n"
    assert placed("a \r\n") == "a \r\n\r\nFOOT\r\n"


def test_stuffing_hides_what_has_a_meaning_at_a_line_start() -> None:
    """RFC 3676 §4.4."""
    assert stuffed("a\n b\n> c\nFrom d\ne") == "a\n  b\n > c\n From d\ne"


def test_a_rule_can_ask_for_end_or_top() -> None:
    """Whatever is quoted."""
    assert placed("a\r\n> q\r\n", 3, Where.END) == "a\r\n> q\r\n\r\nFOOT\r\n"
    assert placed("a\r\n> q\r\n", 3, Where.TOP) == "FOOT\r\n\r\na\r\n> q\r\n"
    assert placed("\ufeffa\r\n", 4, Where.TOP) == "\ufeffFOOT\r\n\r\na\r\n"


@pytest.mark.parametrize(
    ("decoded", "expected"),
    [
        ("a\r\n{{careerrelay}}\r\nb", "a\r\nFOOT\r\nb"),
        ("a {{CareerRelay}} b", "a \r\n\r\nFOOT\r\n\r\n b"),
        ("{{ careerrelay }}", "FOOT"),
        ("a {{careerrelay}} b {{careerrelay}}", "a \r\n\r\nFOOT\r\n\r\n b "),
    ],
)
def test_a_placeholder_is_replaced_and_others_are_taken_out(decoded: str, expected: str) -> None:
    """Markers addressed to us never reach a reader."""
    assert placed(decoded) == expected
    spot = plain_spot(decoded, len(decoded), Where.AUTO, newline="\r\n", flowed=False)
    assert spot.how is Placement.PLACEHOLDER


def test_a_placeholder_in_new_text_goes_before_one_in_a_quote() -> None:
    """Somebody may quote a mail that had one."""
    decoded = "> {{careerrelay}}\r\nnew {{careerrelay}}\r\n"
    assert placed(decoded) == "> \r\nnew \r\n\r\nFOOT\r\n"
    spot = plain_spot("{{careerrelay}}\r\n> {{careerrelay}}", 17, Where.AUTO, newline="\r\n", flowed=False)
    assert (spot.start, spot.removed) == (0, ((19, 34),))


@pytest.mark.parametrize("mark", ["> ", ">", "  > ", "＞"])
def test_a_placeholder_in_newly_written_text_comes_before_a_quoted_one(mark: str) -> None:
    """Also where it is the very last thing that was written."""
    decoded = f"{mark}{{{{careerrelay}}}}\nnew {{{{careerrelay}}}}"
    spot = plain_spot(decoded, len(decoded), Where.AUTO, newline="\n", flowed=False)
    assert (spot.start, spot.end) == (decoded.rindex("{{"), len(decoded))
    assert spot.removed == ((len(mark), len(mark) + 15),)
