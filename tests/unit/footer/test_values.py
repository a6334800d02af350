from dataclasses import replace

import pytest

from gateway.footer.values import MAX_NAME, MAX_URL, SAMPLE, VARIABLES


def test_the_sample_is_valid_and_names_every_variable() -> None:
    """Templates are judged with it, so it has to have a value for all of them."""
    assert VARIABLES == ("link", "opt_out", "company", "partner")
    assert all(getattr(SAMPLE, key) for key in VARIABLES)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "ftp://careerrelay.example/",
        "mailto:a@example.com",
        "https://careerrelay.example/a b",
        'https://careerrelay.example/"x',
        "https://careerrelay.example/<x>",
        "https://careerrelay.example/\r\nBcc: a@example.com",
        "https://例え.example/",
        "https://careerrelay.example/".ljust(MAX_URL + 1, "0"),
    ],
)
def test_a_link_that_may_not_stand_in_a_mail_is_refused(link: str) -> None:
    """Whatever cannot be found again as one link, or leads elsewhere, never gets as far as a mail."""
    with pytest.raises(ValueError, match="link is no"):
        replace(SAMPLE, link=link)


def test_opt_out_may_be_a_mail_address() -> None:
    """A mailto: is a way to say no more, too."""
    assert replace(SAMPLE, opt_out="mailto:stop@example.com?subject=1").opt_out.startswith("mailto:")
    with pytest.raises(ValueError, match="opt_out is no"):
        replace(SAMPLE, opt_out="stop@example.com")


@pytest.mark.parametrize("name", ["a\r\nb", "a\x00", "\u202eevil", "a\u2028b", "x" * (MAX_NAME + 1)])
def test_a_name_is_one_short_line(name: str) -> None:
    """No control characters, line ends or changes of direction come in by a name."""
    with pytest.raises(ValueError, match="company is not one line"):
        replace(SAMPLE, company=name)
    with pytest.raises(ValueError, match="partner is not one line"):
        replace(SAMPLE, partner=name)
    for _ in range(2):  # names that were found right are remembered; these are not
        with pytest.raises(ValueError, match="partner_en is not one line"):
            replace(SAMPLE, partner_en=name)
