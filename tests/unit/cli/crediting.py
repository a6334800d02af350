"""A config with a ledger, and commands on it, for tests of credit's commands."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.config import embedded_config, load_keys
from gateway.store import Database, prepare
from gateway.store.programme import person_keys
from gateway.store.sends import write_intents
from gateway.store.statements import ThroughSqlalchemy
from gateway.token import encode_token
from gateway.transaction.ports import SendIntent
from tests.configs import ENDS, LEDGER, LINK, SENDERS

CONFIG = (
    ENDS
    + SENDERS
    + LINK.replace("https://careerrelay.example/o/{token}", "mailto:no-more@example.co.jp")
    + "[credit]\nreferrals_per_slot = 2\n"
    + LEDGER
)


class Desk:
    """A config with a ledger, and commands on it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG + more, "utf-8")
        self.keys = load_keys(folder / "careerrelay.key", create=True)
        self.url = f"sqlite:///{folder}/ledger.db"
        prepare(self.url, key_id=self.keys.id)

    def send(self, number: int, address: str, at: int = 1_780_272_000_000_000, **more: object) -> str:
        """A link to that address; gives the token as the partner sees it."""
        keys = person_keys(embedded_config(self.folder), self.keys)
        values: dict[str, object] = {
            "mail_key": number.to_bytes(32, "big"),
            "person": keys.address(address),
            "token": number.to_bytes(16, "big"),
            "sender": "hr@example.co.jp",
            "campaign": "ja",
            "rule": "r",
            "footer": "f",
            "ruleset": "x",
            "message_id": "",
            "route": "default",
        }
        with Database(self.url).writer(5).connect() as connection, connection.begin():
            write_intents(ThroughSqlalchemy(connection), [SendIntent(**(values | more))], at)  # type: ignore[arg-type]
        return encode_token(number.to_bytes(16, "big"))

    def file(self, text: str, name: str = "list.csv", encoding: str = "utf-8") -> str:
        """A list of the partner's."""
        path = self.folder / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    def run(self, *arguments: str, fails: int = 0) -> Result:
        """The command; it ends as expected."""
        result = CliRunner().invoke(main, [*arguments, "--config", str(self.config)])
        assert result.exit_code == fails, result.output
        return result

    def json(self, *arguments: str) -> dict[str, object]:
        """What it says to a script."""
        found = json.loads(self.run(*arguments, "--json").stdout)
        assert isinstance(found, dict)
        return found
