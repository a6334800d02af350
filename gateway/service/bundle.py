"""What a gateway runs on, read once: config, keys, rule and footer files, passwords.

The parent process reads and checks it all, at the start and at each reload, and hands the *content* to the
workers (SMTP.md rule 26): no worker ever sees a half-written file, and all of them see the same. Building the
policy from it is deterministic, so what the parent could build, every worker can.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from gateway.config import (
    AddressPatterns,
    Config,
    Excluded,
    Keys,
    RuleFiles,
    load_config,
    load_keys,
    read_excluded,
    read_password,
    read_rule_files,
    read_signing_key,
)
from gateway.config.matching_key import read_matching_keys
from gateway.config.names import in_domains
from gateway.config.webhook_secret import WebSecrets, read_web_secrets
from gateway.dkim.key import Keyring, KeyUnusable, SigningKey, load_key
from gateway.dkim.treatment import Signing
from gateway.errors import ConfigError, Problem
from gateway.footer.template import load_footers
from gateway.keyed import keyed_hash
from gateway.ledger.identity import PersonKeys
from gateway.message.letters import Letters
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset
from gateway.service.terms import SENDERS, TermBook
from gateway.transaction.markers import Markers
from gateway.transaction.policy import LinkForm, Policy, Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Content of everything that was read. Holds secrets: it goes to our own workers and nowhere else."""

    config: Config
    keys: Keys
    files: RuleFiles
    excluded: Excluded = field(default_factory=Excluded)
    #: The candidate set, if there is one and it is good (`gateway.service.shadow`).
    shadow: RuleFiles | None = None
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    web_secrets: WebSecrets = field(default_factory=WebSecrets, repr=False)
    #: The content of each DKIM key file, in the order of the config.
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
    #: The live matching keys of each partner that has some.
    matching_keys: Mapping[str, tuple[tuple[str, bytes], ...]] = field(default_factory=dict, repr=False)


def read_bundle(path: Path) -> Bundle:
    """Read the config file and all that it names. Makes the key file at the first start.

    Raises:
        ConfigError: with every problem in all of them.
    """
    config = load_config(path)
    gateway = config.gateway
    passwords = {
        name: read_password(hop.password_file)
        for name, hop in config.next_hops.items()
        if hop.password_file is not None
    }
    return Bundle(
        config=config,
        keys=load_keys(gateway.key_file, create=True),
        files=read_rule_files(config),
        excluded=read_excluded(config),
        passwords=passwords,
        web_secrets=read_web_secrets(config),
        signing_keys=read_signing_keys(config),
        matching_keys={
            partner.id: read_matching_keys(partner.matching_key_file)
            for partner in config.partner
            if partner.matching_key_file is not None
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A bundle and the policy that was made from it, to make the next one quicker."""

    bundle: Bundle
    policy: Policy


def build_policy(bundle: Bundle, *, examples: bool = False, last: Built | None = None) -> Policy:
    """Make the snapshot that transactions go by.

    Args:
        examples: whether to run the examples in the rule files too; the parent does, the workers needn't.
        last: what there was before; its rules are kept where nothing has changed that they are made of.

    Raises:
        ConfigError: rules or footers have errors, with all of them and the files that they are in.
    """
    config, files = bundle.config, bundle.files
    problems = []
    footers = {}
    try:
        footers = dict(load_footers(files.footers))
    except ConfigError as error:
        problems += [files.located(problem) for problem in error.problems]
    link = link_form(config)
    book = TermBook.of(config, person_keys_of(bundle), files.footers)
    terms, kept = book.all()
    try:
        ruleset = _same_rules(bundle, set(footers), last) or load_rules(
            files.rules,
            modes=config.rules.mode,
            config_senders=config.rules.senders,
            footers=footers,
            groups=files.groups,
            names=tuple(dict.fromkeys(name for one in terms for name in one.link.names)),
            examples=examples,
            key=os.urandom(32),
        )
    except ConfigError as error:
        problems += [files.located(problem) for problem in error.problems]
    try:
        keyring = load_keyring(config, bundle.signing_keys)
    except ConfigError as error:
        problems += error.problems
    if config.force.footer and footers and config.force.footer not in footers:
        message, remedy = f"there is no footer {config.force.footer!r}", f"write one of {', '.join(footers)}"
        problems.append(Problem(file="config", key="force.footer", message=message, remedy=remedy))
    if problems:
        raise ConfigError(problems)
    own_domains, excluded = config.gateway.own_domains, AddressPatterns(bundle.excluded.recipients)
    excluded_senders = AddressPatterns(bundle.excluded.senders)
    forcing = AddressPatterns(config.force.senders)
    return Policy(
        hostname=config.gateway.hostname,
        mode=config.gateway.mode,
        ruleset=ruleset,
        footers=footers,
        link=link,
        secrets=Secrets(
            mark=bundle.keys.mark, mail=bundle.keys.mail, person=bundle.keys.person, own_id=bundle.keys.own_id
        ),
        terms_of=lru_cache(maxsize=SENDERS)(book.terms),
        other_prefixes=tuple({one.link.prefix for one in terms} - {link.prefix}),
        kept=kept,
        is_own=lambda address: in_domains(own_domains, address.rpartition("@")[2].lower()),
        is_excluded=excluded.matches if excluded else None,
        is_excluded_sender=excluded_senders.matches if excluded_senders else None,
        markers=Markers(off=config.markers.off, on=config.markers.on if forcing else ()),
        may_force=forcing.matches if forcing else None,
        force_footer=config.force.footer,
        shadow=_shadow(bundle, last),
        dkim=Signing(
            rule=config.dkim.policy,
            keyring=keyring,
            signing_routes=frozenset(name for name, hop in config.next_hops.items() if hop.signs_after),
        ),
        max_received=config.gateway.max_received,
        refuse_bare_newlines=config.gateway.bare_newlines == "refuse",
        defer_on_ledger_fault=config.ledger.fault == "defer",
        store_addresses=config.ledger.store_addresses,
        window=config.limits.window_bytes,
        size=config.limits.mail_bytes,
        copies_seconds=config.timeouts.copies_seconds,
        parallel_copies=config.limits.parallel_copies,
        max_candidates=config.rules.brake.max_recipients_per_mail,
        frequency_days=config.rules.frequency_days,
        keep_snippets=config.rules.review.snippets,
        gateway_refusals=frozenset(config.gateway.gateway_refusals),
        notice_from=config.notifications.from_name,
        postmaster=config.postmaster,
        letters=Letters(os.urandom(32)),
    )


def person_keys_of(bundle: Bundle) -> PersonKeys:
    """The keys for everything about people."""
    keys = bundle.keys
    return PersonKeys(
        person=keys.person, tombstone=keys.tombstone, digest=keys.digest, matching=bundle.matching_keys
    )


def _same_rules(bundle: Bundle, footers: Collection[str], last: Built | None) -> Ruleset | None:
    """The rules of last time, if they would come out the same."""
    if last is None or footers != set(last.policy.footers):
        return None

    def source(of: Bundle) -> tuple[object, ...]:
        config = of.config
        return of.files.rules, of.files.groups, config.rules, config.company, config.partner

    return last.policy.ruleset if source(bundle) == source(last.bundle) else None


def load_shadow(files: RuleFiles, config: Config) -> Ruleset:
    """Compile a candidate set; its own files alone say what is switched off in it.

    Raises:
        ConfigError: with every problem in it.
    """
    try:
        return load_rules(
            files.rules, config_senders=config.rules.senders, groups=files.groups, examples=False
        )
    except ConfigError as error:
        raise ConfigError([files.located(problem) for problem in error.problems]) from None


def _shadow(bundle: Bundle, last: Built | None) -> Ruleset | None:
    """The candidate set; that of last time where it is the same."""
    if bundle.shadow is None:
        return None
    if last is not None and last.bundle.shadow is not None:
        senders = (one.config.rules.senders for one in (bundle, last.bundle))
        if bundle.shadow == last.bundle.shadow and len(set(senders)) == 1:
            return last.policy.shadow
    return load_shadow(bundle.shadow, bundle.config)


def link_form(config: Config) -> LinkForm:
    """How a footer's links and names are made by this config."""
    return LinkForm(
        url=config.link.url,
        opt_out=config.link.opt_out_url,
        company=config.company[0].name,
        partner=config.partner[0].name,
        company_en=config.company[0].name_en,
        partner_en=config.partner[0].name_en,
    )


def read_signing_keys(config: Config) -> tuple[bytes, ...]:
    """The content of each file in ``[[dkim.key]]``, in order.

    Raises:
        ConfigError: one is missing, open to others, or no private key.
    """
    return tuple(
        read_signing_key(key.key_file, key=f"dkim.key[{index}].key_file")
        for index, key in enumerate(config.dkim.key)
    )


def load_keyring(config: Config, files: Sequence[bytes]) -> Keyring:
    """The keys of ``[[dkim.key]]``; `files` are the contents of their files, in order.

    Raises:
        ConfigError: with every file that holds no key to sign with.
    """
    keys: list[SigningKey] = []
    problems: list[Problem] = []
    for index, (one, pem) in enumerate(zip(config.dkim.key, files, strict=True)):
        try:
            keys.append(load_key(pem, domain=one.domain, selector=one.selector, algorithm=one.algorithm))
        except KeyUnusable as error:
            place = f"dkim.key[{index}].key_file"
            problems.append(
                Problem(file=str(one.key_file), key=place, message=error.message, remedy=error.remedy)
            )
    if problems:
        raise ConfigError(problems)
    return Keyring.of(keys)


def observing(policy: Policy) -> Policy:
    """The same policy while the brake is on: rules are asked, nothing is added (SMTP.md rule 15)."""
    return policy if policy.mode == "off" else replace(policy, mode="observe")


def address_shower(config: Config, keys: Keys) -> Callable[[str], str]:
    """Gives an address as the log shows it: as it is, or as a keyed hash to be compared and not read."""
    if config.log.addresses == "plain":
        return str
    key = keys.person

    def hashed(address: str) -> str:
        if not address:
            return ""
        return "h:" + keyed_hash(key, b"log\0" + address.lower().encode("utf-8", "replace"))[:8].hex()

    return hashed
