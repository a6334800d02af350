"""Scripts to paste: whole, with the config's own names, and honest about what they have not met."""

from pathlib import Path

import click
import pytest

from gateway.cli.operating.connector import SYSTEMS, script, values_of
from gateway.config import embedded_config

EVIL = ("x'; Remove-Mailbox 'ceo", "a$(reboot)@example.com", "a b", "x`n", "“x”")


@pytest.mark.parametrize("rollback", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
def test_scripts(tmp_path: Path, system: str, *, rollback: bool) -> None:
    """No hole is left; the way in says how to test with one mailbox, widen, and take it out."""
    text = script(
        system, values_of(embedded_config(tmp_path, {}), mailbox="one@example.co.jp"), rollback=rollback
    )
    assert "@HOSTNAME@" not in text
    assert not [word for word in ("@PORT@", "@MAILBOX@", "@ADDRESS@", "@DOMAIN@") if word in text]
    if system != "postfix":
        assert "UNTESTED" in text
    if not rollback:
        lower = text.lower()
        assert "one@example.co.jp" in text
        assert all(word in lower for word in ("test", "widen", "within a minute", "--rollback"))


@pytest.mark.parametrize("value", EVIL)
def test_nothing_is_smuggled_into_a_script(tmp_path: Path, value: str) -> None:
    """What could be read as another command is refused."""
    with pytest.raises(click.ClickException, match="can't be put into a script"):
        values_of(embedded_config(tmp_path, {}), mailbox=value)
