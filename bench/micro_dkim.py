"""Cost of a DKIM signature on one core. Run: python bench/micro_dkim.py [--json].

A whole signature field, from the mail's bytes, for a letter of 4 KB and for 5 MB of base64; the RSA or
Ed25519 operation alone; what the policy asks of a signed mail; and dkimpy, which signs in pure Python, on the
same letter in the same run. Each figure is the best of several rounds, in microseconds. Nothing here is a
test.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import dkim  # noqa: E402 - the path comes first
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: E402

from gateway.dkim.key import Keyring, load_key  # noqa: E402
from gateway.dkim.sign import sign  # noqa: E402
from gateway.dkim.treatment import Signing, treat  # noqa: E402
from gateway.message.scan import scan  # noqa: E402

ROUNDS = 7
HEAD = b"X-CareerRelay-Id: 00000000000000000000000000 0123456789abcdef0123456789abcdef\r\n"
FIELDS = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=old; h=from; bh=eA==; b=eA==\r\n"
    b"From: HR <hr@example.co.jp>\r\nTo: taro@example.com\r\nSubject: =?utf-8?B?6YG46ICD57WQ5p6c?=\r\n"
    b"Date: Mon, 02 Mar 2026 10:00:00 +0900\r\nMessage-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)
LETTER = "この度は弊社の求人にご応募いただき、誠にありがとうございました。\r\n".encode()
ENGLISH = b"Thank you for your interest in the position, and for the time that you took for it.\r\n"


def best(work: Callable[[], object], turns: int) -> float:
    """Microseconds a turn, in the best round."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(turns):
            work()
        rounds.append((time.perf_counter() - begun) / turns)
    return min(rounds) * 1e6


def measure() -> dict[str, float]:
    """All figures by name."""
    pems = {
        "RSA 2048": generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ),
        "Ed25519": Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    }
    keys = {name: load_key(pem, domain="example.co.jp", selector="s") for name, pem in pems.items()}
    mails = {
        "4 KB Japanese": FIELDS + LETTER * (4096 // len(LETTER)),
        "4 KB English": FIELDS + ENGLISH * (4096 // len(ENGLISH)),
        "5 MB base64": FIELDS + (b"QUJD" * 19 + b"\r\n") * 67_000,
    }
    found: dict[str, float] = {}
    for name, key in keys.items():
        found[f"{name}: the operation alone"] = best(lambda key=key: key.sign(b"x" * 600), 50)  # type: ignore[misc]
    for size, mail in mails.items():
        turns = 50 if len(mail) < 10_000 else 1
        for name, key in keys.items():
            found[f"{name}: {size}"] = best(lambda mail=mail, key=key: sign(HEAD, mail, (key,)), turns)  # type: ignore[misc]
    message = scan(mails["4 KB Japanese"])
    signing = Signing(keyring=Keyring.of(keys.values()))
    found["policy of a signed mail"] = best(lambda: treat(message, signing, "default"), 500)
    letter = HEAD + mails["4 KB Japanese"]
    found["dkimpy, RSA 2048: 4 KB Japanese"] = best(
        lambda: dkim.sign(
            letter, b"s", b"example.co.jp", pems["RSA 2048"], canonicalize=(b"relaxed", b"relaxed")
        ),
        3,
    )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a DKIM signature, in microseconds.")
    parser.add_argument("--json", action="store_true", help="for programs")
    as_json = parser.parse_args().json
    found = measure()
    if as_json:
        print(json.dumps({name: round(figure, 1) for name, figure in found.items()}))
        return
    for name, figure in found.items():
        print(f"{name:<36}{figure:>12,.1f} µs")


if __name__ == "__main__":
    main()
