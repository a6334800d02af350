"""Typed settings: the config file, the key file, and the files of rules and footers.

Everything that reads these from disk is here; what is in a rule or a footer is for `gateway.ruleset` and
`gateway.footer` to judge. A file with an error is refused whole, with every error at once.
"""

from gateway.config.files import read_password
from gateway.config.keys import Keys, derive_keys, load_keys
from gateway.config.load import Examined, embedded_config, examine, load_config, parse_config
from gateway.config.model import DEFAULT_ROUTE, Config, Listen, NextHop, Route
from gateway.config.names import AddressPatterns
from gateway.config.network import HostPort
from gateway.config.packs import RuleFiles, read_rule_files, read_rule_folder, shipped_packs

__all__ = [
    "DEFAULT_ROUTE",
    "AddressPatterns",
    "Config",
    "Examined",
    "HostPort",
    "Keys",
    "Listen",
    "NextHop",
    "Route",
    "RuleFiles",
    "derive_keys",
    "embedded_config",
    "examine",
    "load_config",
    "load_keys",
    "parse_config",
    "read_password",
    "read_rule_files",
    "read_rule_folder",
    "shipped_packs",
]
