"""Verifiers of DKIM signatures that are not ours: dkimpy (with PyNaCl for Ed25519), and Perl's Mail::DKIM.

Neither asks a name server: keys are handed in, as ``selector._domainkey.domain`` -> text of the record.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import dkim

SCRIPT = Path(__file__).with_name("mail_dkim.pl")


def verify(mail: bytes, records: Mapping[str, str]) -> list[bool]:
    """Dkimpy's word on each signature of `mail`, from the top."""

    def answer(name: bytes, timeout: float = 5) -> bytes | None:
        text = records.get(name.decode("ascii").rstrip("."))
        return None if text is None else text.encode("ascii")

    verifier = dkim.DKIM(mail)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    return [_verified(verifier, index, answer) for index in range(count)]


def _verified(verifier: "dkim.DKIM", index: int, answer: object) -> bool:
    try:
        return bool(verifier.verify(idx=index, dnsfunc=answer))
    except dkim.DKIMException:
        return False


def verify_in_perl(folder: Path, mails: Sequence[bytes], records: Mapping[str, str]) -> list[dict[str, str]]:
    """Mail::DKIM's word on each mail: selector -> ``pass``, ``fail``. `folder` holds the files."""
    table = folder / "records"
    table.write_text("".join(f"{name}\t{text}\n" for name, text in records.items()), "ascii")
    paths = [folder / f"{number}.eml" for number in range(len(mails))]
    for path, mail in zip(paths, mails, strict=True):
        path.write_bytes(mail)
    run = subprocess.run(
        ["perl", str(SCRIPT), str(table), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [dict(word.split("=", 1) for word in line.split()) for line in run.stdout.splitlines()]
