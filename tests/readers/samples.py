"""All mails at hand, by name: golden pairs, the demo's, those of the unit tests, and generated ones."""

from collections.abc import Mapping
from pathlib import Path

from tests.readers.generate import generated
from tests.unit.message.samples import MAILS

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/golden", "tests/unit", "gateway/demo/mails")


def samples() -> Mapping[str, bytes]:
    """Every mail; names are relative file names."""
    found: dict[str, bytes] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.eml")):
            found[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    found |= {f"unit/{name}.eml": data for name, data in MAILS.items()}
    found |= {f"generated/{name}.eml": data for name, data in generated()}
    return found
