from dataclasses import replace

import pytest

from gateway.config import read_rule_folder
from gateway.errors import GatewayError
from gateway.footer.kept import KeptFooter, read_kept
from gateway.footer.template import load_footers
from gateway.footer.values import FooterValues
from gateway.service.terms import kept_footers
from gateway.transaction.policy import LinkForm

LINK = LinkForm(
    url="https://careerrelay.example/r/{token}",
    opt_out="mailto:no-more@example.co.jp?subject={token}",
    company="株式会社サンプル",
    partner="",
)


@pytest.mark.parametrize("english", ["", "Sample K.K."])
def test_kept_footer_is_the_one_that_was_sent(english: str) -> None:
    """Every shipped footer, from what is kept: letter by letter what goes into a mail."""
    files = read_rule_folder(None).footers
    footers = load_footers(files)
    token = "0" * 26
    values = FooterValues(
        link=f"https://careerrelay.example/r/{token}",
        opt_out=f"mailto:no-more@example.co.jp?subject={token}",
        company="株式会社サンプル",
        company_en=english,
    )
    kept = kept_footers(files, LINK._replace(company_en=english))
    assert [one.name for one in kept] == sorted(footers)
    for one in kept:
        again = read_kept(one.content)
        assert again == one
        assert again.render(token) == (
            footers[one.name].render_plain(values),
            footers[one.name].render_html(values),
        )


def test_hash_is_that_of_everything_in_it() -> None:
    """Another name, another text, another link: another footer."""
    values = {name: name for name in ("name", "plain", "html", "url", "opt_out", "company", "partner")}
    hashes = {KeptFooter(**values).hash} | {KeptFooter(**(values | {name: "x"})).hash for name in values}
    assert len(hashes) == 8
    plain = KeptFooter(**values)
    assert replace(plain, company_en="x").hash not in hashes
    assert "_en" not in plain.content, "what was kept before there were English names is the same footer"


def test_what_is_no_footer() -> None:
    """A row that somebody changed is told, not rendered."""
    for content in ("{}", "[]", "no"):
        with pytest.raises(GatewayError):
            read_kept(content)
