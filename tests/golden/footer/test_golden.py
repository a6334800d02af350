"""Golden pairs: a mail, options, and the mail with its footer, reviewed by eye and kept to the byte.

``GOLDEN_UPDATE=1`` writes the outputs anew; look at the difference before you commit it.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.footer.place import Where
from gateway.footer.template import load_footers
from gateway.footer.values import SAMPLE
from gateway.message.splice import undo
from tests.unit.footer.mails import add_footer

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in HERE.iterdir() if (folder / "input.eml").exists())
# Footers of their own, so that a change of wording in the shipped ones changes no pair.
FOOTERS = load_footers({file.name: file.read_bytes() for file in (HERE / "footers").iterdir()})


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    """The same input and options give the same bytes, and undoing the edits gives back the input."""
    folder = HERE / name
    options = json.loads((folder / "options.json").read_text())
    data = (folder / "input.eml").read_bytes()
    values = replace(SAMPLE, **options.get("values", {}))
    where = Where(options.get("where", "auto"))
    edited = add_footer(data, FOOTERS[options["footer"]], values, where=where)
    assert undo(edited.data, edited.edits, data) == data
    if os.environ.get("GOLDEN_UPDATE"):
        (folder / "output.eml").write_bytes(edited.data)
        options |= {"parts": list(edited.plan.parts), "placement": edited.plan.placement}
        (folder / "options.json").write_text(json.dumps(options, ensure_ascii=False, indent=2) + "\n")
    assert edited.data == (folder / "output.eml").read_bytes()
    assert edited.plan.placement == options["placement"]
    assert list(edited.plan.parts) == options["parts"]


def test_there_are_pairs() -> None:
    """An empty folder would prove nothing."""
    assert len(CASES) >= 30
