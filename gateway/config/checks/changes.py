"""What has to fit for a mail to be changed and signed."""

import itertools

from gateway.config.checks.found import Check, Found
from gateway.config.model import Config


def _signing_keys_apart(config: Config) -> Found:
    keys = config.dkim.key
    for (i, one), (j, other) in itertools.combinations(enumerate(keys), 2):
        if (one.domain, one.selector) == (other.domain, other.selector):
            # One name in the DNS holds one key (RFC 6376 §3.6.2.2).
            yield (
                f"dkim.key[{j}].selector",
                f"dkim.key[{i}] has this domain and selector already",
                "publish the key under a selector of its own",
            )


def _nobody_is_changed(config: Config) -> Found:
    if config.gateway.mode == "inject" and not config.rules.senders:
        yield (
            "rules.senders",
            "it is empty, so the shipped packs change no mail",
            'write whose mail, as ["*@example.co.jp"]',
        )


def _resigning_without_a_key(config: Config) -> Found:
    if config.dkim.policy == "resign" and not config.dkim.key:
        yield "dkim.policy", "there is no [[dkim.key]], so signed mail stays as it is", "add keys"


CHANGE_CHECKS: tuple[Check, ...] = (_signing_keys_apart,)
CHANGE_WARNINGS: tuple[Check, ...] = (_nobody_is_changed, _resigning_without_a_key)
