import pickle
from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, read_rule_files
from gateway.config.keys import derive_keys
from gateway.errors import ConfigError
from gateway.service.bundle import Bundle, build_policy, read_signing_keys
from tests.unit.dkim.keys import ec_pem, ed25519_pem, rsa_pem


def bundle_of(folder: Path, pems: list[bytes], **changes: Any) -> Bundle:  # noqa: ANN401 - the form of a config
    """A bundle with these DKIM keys, which its config names ``key[0]``, ``key[1]``, ..."""
    keys = []
    for number, pem in enumerate(pems):
        path = folder / f"{number}.pem"
        path.write_bytes(pem)
        path.chmod(0o600)
        keys.append({"domain": "Example.co.jp", "selector": f"s{number}", "key_file": path.name})
    config = embedded_config(folder, {"dkim": {"key": keys, "policy": "resign"}, **changes})
    return Bundle(
        config=config,
        keys=derive_keys(b"k" * 32),
        files=read_rule_files(config),
        signing_keys=read_signing_keys(config),
    )


def test_keys_and_policy(tmp_path: Path) -> None:
    """What the config says of DKIM is what a transaction goes by, in the workers too."""
    route = {
        "name": "back",
        "hosts": ["back.example:25"],
        "sender_domains": ["x.example"],
        "signs_after": True,
    }
    bundle = bundle_of(tmp_path, [rsa_pem(), ed25519_pem()], route=[route])
    signing = build_policy(pickle.loads(pickle.dumps(bundle))).dkim  # noqa: S301 - what was just made
    assert signing.rule == "resign"
    assert signing.signing_routes == {"back"}
    assert [key.record_name for key in signing.keyring.by_domain["example.co.jp"]] == [
        "s0._domainkey.example.co.jp",
        "s1._domainkey.example.co.jp",
    ]


def test_unusable_keys_are_told_at_once(tmp_path: Path) -> None:
    """Each file that cannot sign, with its place; nothing of a key is in the words."""
    with pytest.raises(ConfigError) as caught:
        build_policy(bundle_of(tmp_path, [ec_pem(), rsa_pem(), rsa_pem()[:800]]))
    assert [(problem.key, Path(problem.file).name) for problem in caught.value.problems] == [
        ("dkim.key[0].key_file", "0.pem"),
        ("dkim.key[2].key_file", "2.pem"),
    ]


def test_key_stays_out_of_sight(tmp_path: Path) -> None:
    """Neither bundle nor policy shows it."""
    bundle = bundle_of(tmp_path, [rsa_pem()])
    secret = rsa_pem().decode().splitlines()[1]
    assert secret not in repr(bundle)
    assert secret not in repr(build_policy(bundle).dkim)
