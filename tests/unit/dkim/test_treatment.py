import pytest

from gateway.dkim.key import Keyring
from gateway.dkim.treatment import Rule, Signing, treat
from gateway.message.scan import scan
from tests.unit.dkim.keys import ed25519_key, rsa_key

RULES: tuple[Rule, ...] = ("auto", "skip", "resign", "break")


def outcome(
    rule: Rule, signed_by: str, *, author: str = "example.co.jp", keys: str = "", route: str = "out"
) -> tuple[bool, bool, list[str], list[str]]:
    """Allowed, needed, the domains that sign, and the domains whose signatures go; lists by blanks."""
    header = "".join(f"DKIM-Signature: v=1; d={domain}; b=\r\n" for domain in signed_by.split())
    message = scan(f"{header}From: <hr@{author}>\r\n\r\ntext\r\n".encode())
    ring = Keyring.of(rsa_key(domain) for domain in keys.split())
    treatment = treat(message, Signing(rule=rule, keyring=ring, signing_routes=frozenset({"back"})), route)
    gone = [old.value(message.data).split(b"d=")[1].split(b";")[0].decode() for old in treatment.replaced]
    return treatment.allowed, treatment.needed, [key.domain for key in treatment.keys], gone


@pytest.mark.parametrize(
    ("keys", "route", "allowed"),
    # columns: the rules
    [
        ("", "out", "break"),
        ("", "back", "auto break"),
        ("example.co.jp", "out", "auto resign break"),
        ("example.co.jp", "back", "auto resign break"),
        ("other.example", "out", "break"),
        ("other.example", "back", "auto break"),
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_signed_mail(rule: Rule, keys: str, route: str, allowed: str) -> None:
    """SMTP.md rule 29: who may be edited, by rule, keys and route."""
    may, needed, signers, gone = outcome(rule, "example.co.jp", keys=keys, route=route)
    assert may is (rule in allowed.split())
    ours = ["example.co.jp"] if may and keys == "example.co.jp" else []
    assert signers == gone == ours
    assert needed is (may and (rule == "resign" or (rule == "auto" and route == "out")))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("keys", ["", "example.co.jp", "other.example"])
def test_unsigned_mail(rule: Rule, keys: str) -> None:
    """Mail that nobody signed may be edited, and is signed where we hold a key; never on condition of it."""
    assert outcome(rule, "", keys=keys) == (True, False, ["example.co.jp"] * (keys == "example.co.jp"), [])


@pytest.mark.parametrize(
    ("author", "signed_by", "keys", "expected"),
    [
        # a service's signature beside ours: ours makes DMARC pass, theirs stays and counts for nothing
        ("a.example", "a.example esp.example", "a.example", (True, ["a.example"], ["a.example"])),
        ("a.example", "esp.example", "a.example", (True, ["a.example"], [])),
        # every signature that breaks is made anew
        ("a.example", "b.example", "b.example", (True, ["b.example"], ["b.example"])),
        ("a.example", "a.example b.example", "a.example b.example",
         (True, ["a.example", "b.example"], ["a.example", "b.example"])),
        # only one of two, and not the author's
        ("a.example", "b.example c.example", "b.example", (False, [], [])),
        # a signature of the domain above the author's counts for DMARC
        ("hr.a.example", "a.example esp.example", "a.example", (True, ["a.example"], ["a.example"])),
        # a key of the domain above cannot stand for the author's own signature (strict alignment)
        ("hr.a.example", "hr.a.example", "a.example", (False, [], [])),
        ("hr.a.example", "", "a.example", (True, ["a.example"], [])),
        ("xa.example", "esp.example", "a.example", (False, [], [])),
        # what cannot be read
        ("a.example", "=;", "a.example", (True, ["a.example"], [])),
        ("a.example>, <b@b.example", "a.example", "a.example", (True, ["a.example"], ["a.example"])),
        ("a.example>, <b@b.example", "a.example =;", "a.example", (False, [], [])),
    ],
)  # fmt: skip
def test_key_that_matters(
    author: str, signed_by: str, keys: str, expected: tuple[bool, list[str], list[str]]
) -> None:
    """`auto` edits where our signatures are worth what the broken ones were."""
    allowed, _, signers, gone = outcome("auto", signed_by, author=author, keys=keys)
    assert (allowed, signers, gone) == expected


def test_every_key_of_a_domain_signs() -> None:
    """RSA for receivers of today, Ed25519 beside it (RFC 8463 §5)."""
    message = scan(b"From: hr@example.co.jp\r\n\r\ntext\r\n")
    signing = Signing(keyring=Keyring.of([rsa_key(), ed25519_key()]))
    assert [key.selector for key in treat(message, signing, "out").keys] == ["r1", "e1"]
