"""A footer as it was sent, kept so that anybody can see it again. Pure.

What is kept is everything that a footer is made from but the token: both templates, the names, and the
addresses of the link. The same content has the same hash, so it is kept once however many mails carried it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from gateway.errors import GatewayError
from gateway.footer.template import load_footers
from gateway.footer.values import FooterValues


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFooter:
    """What a footer is made from. `url` and `opt_out` have ``{token}`` in the token's place."""

    name: str
    plain: str
    html: str
    url: str
    opt_out: str
    company: str
    partner: str
    company_en: str = ""
    partner_en: str = ""

    @property
    def content(self) -> str:
        """As it is stored (JSON). English names that are not given leave no trace."""
        given = {key: value for key, value in asdict(self).items() if value or not key.endswith("_en")}
        return json.dumps(given, sort_keys=True, ensure_ascii=False)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the content, 32 octets."""
        return hashlib.sha256(self.content.encode("utf-8", "surrogatepass")).digest()

    def render(self, token: str) -> tuple[str, str]:
        """The footer (text, HTML) of the copy with this token, as it was sent."""
        values = FooterValues(
            link=self.url.replace("{token}", token),
            opt_out=self.opt_out.replace("{token}", token),
            company=self.company,
            partner=self.partner,
            company_en=self.company_en,
            partner_en=self.partner_en,
        )
        files = {f"{self.name}.txt": self.plain.encode(), f"{self.name}.html": self.html.encode()}
        footer = load_footers(files)[self.name]
        return footer.render_plain(values), footer.render_html(values)


def read_kept(content: str) -> KeptFooter:
    """The reverse of `KeptFooter.content`.

    Raises:
        GatewayError: it is none.
    """
    try:
        return KeptFooter(**json.loads(content))
    except (TypeError, ValueError) as error:
        raise GatewayError(f"a footer in the ledger can't be read: {error}") from error
