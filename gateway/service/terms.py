"""By whose link each campaign goes: companies, partners, link forms, matching keys, kept footers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from gateway.config import Config
from gateway.config.credit import Company, Partner
from gateway.footer.kept import KeptFooter
from gateway.ledger.identity import PersonKeys
from gateway.transaction.policy import LinkForm, Terms

#: For so many pairs of campaign and sender a policy remembers the terms: rejections come from few addresses.
SENDERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TermBook:
    """All terms of a config. Made once a policy, which remembers what it was told (`SENDERS`)."""

    config: Config
    keys: PersonKeys
    footers: Mapping[str, bytes]
    _made: dict[tuple[str, str, str], tuple[Terms, tuple[KeptFooter, ...]]]

    @classmethod
    def of(cls, config: Config, keys: PersonKeys, footers: Mapping[str, bytes]) -> "TermBook":
        """The terms of `config`; `footers` are the files of footers by name."""
        return cls(config=config, keys=keys, footers=footers, _made={})

    def terms(self, campaign: str, sender: str) -> Terms:
        """By whose link a mail of this campaign goes."""
        company = self.config.company_of(campaign, sender)
        partner = self.config.partner_of(campaign, company)
        return self._of(campaign, company, partner)[0]

    def _of(self, campaign: str, company: Company, partner: Partner) -> tuple[Terms, tuple[KeptFooter, ...]]:
        url = next((one.url for one in self.config.campaign if one.id == campaign), None)
        key = (company.id, partner.id, url or "")
        made = self._made.get(key)
        if made is None:
            link = LinkForm(
                url=url or self.config.link.url,
                opt_out=self.config.link.opt_out_url,
                company=company.name,
                partner=partner.name,
                company_en=company.name_en,
                partner_en=partner.name_en,
            )
            kept = kept_footers(self.footers, link)
            terms = Terms(
                link=link,
                company=company.id,
                partner=partner.id,
                footers={one.name: one.hash for one in kept},
                hashes=partial(self.keys.matching_hashes, partner.id)
                if self.keys.matching.get(partner.id)
                else None,
            )
            made = self._made[key] = (terms, kept)
        return made

    def all(self) -> tuple[tuple[Terms, ...], tuple[KeptFooter, ...]]:
        """Every terms that a mail may go by, and every footer that it may carry."""
        campaigns = ["", *(one.id for one in self.config.campaign)]
        for campaign in campaigns:
            for company in self.config.company:
                for partner in self.config.partner:
                    self._of(campaign, company, partner)
        found = list(self._made.values())
        return tuple(terms for terms, _ in found), tuple(kept for _, many in found for kept in many)


def kept_footers(files: Mapping[str, bytes], link: LinkForm) -> tuple[KeptFooter, ...]:
    """What each footer is made from, where both of its files are there."""
    names = sorted({name.rpartition(".")[0] for name in files if name.endswith((".txt", ".html"))})
    return tuple(
        KeptFooter(
            name=name,
            plain=files[f"{name}.txt"].decode("utf-8", "replace"),
            html=files[f"{name}.html"].decode("utf-8", "replace"),
            url=link.url,
            opt_out=link.opt_out,
            company=link.company,
            partner=link.partner,
            company_en=link.company_en,
            partner_en=link.partner_en,
        )
        for name in names
        if f"{name}.txt" in files and f"{name}.html" in files
    )
