"""Typed settings: the config file, the key file, and the files of rules and footers.

Everything that reads these from disk is here; what is in a rule or a footer is for `gateway.ruleset` and
`gateway.footer` to judge. A file with an error is refused whole, with every error at once.
"""

from gateway.config.dkim import Dkim, DkimKey
from gateway.config.files import Excluded, read_excluded, read_password, read_signing_key
from gateway.config.keys import Keys, derive_keys, load_keys
from gateway.config.listen import Listen
from gateway.config.load import Examined, embedded_config, examine, examine_text, load_config, parse_config
from gateway.config.model import Config
from gateway.config.names import AddressPatterns
from gateway.config.network import HostPort
from gateway.config.operation import Ledger, Limits, Log, Timeouts
from gateway.config.packs import RuleFiles, read_rule_files, read_rule_folder, shipped_packs
from gateway.config.programme import Link, Rules
from gateway.config.traffic import DEFAULT_ROUTE, Gateway, NextHop, Route

__all__ = [
    "DEFAULT_ROUTE",
    "AddressPatterns",
    "Config",
    "Dkim",
    "DkimKey",
    "Examined",
    "Excluded",
    "Gateway",
    "HostPort",
    "Keys",
    "Ledger",
    "Limits",
    "Link",
    "Listen",
    "Log",
    "NextHop",
    "Route",
    "RuleFiles",
    "Rules",
    "Timeouts",
    "derive_keys",
    "embedded_config",
    "examine",
    "examine_text",
    "load_config",
    "load_keys",
    "parse_config",
    "read_excluded",
    "read_password",
    "read_rule_files",
    "read_rule_folder",
    "read_signing_key",
    "shipped_packs",
]
