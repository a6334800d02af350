"""careerrelay user: who may log in."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.config.password import hash_password, is_hash, verify
from gateway.config.users import User, read_users, write_users
from gateway.errors import ConfigError

PASSWORD = "correct horse"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config that says where the users are, and has other things wrong still."""
    path = tmp_path / "config.toml"
    path.write_text('[auth]\nusers_file = "users.toml"\n[[listen]]\nname = "inside"\nport = "x"\n')
    return path


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that a test can wait for."""
    monkeypatch.setattr(
        "gateway.config.password.hash_password",
        lambda password, salt: hash_password(password, salt, log_n=10, passes=1),
    )


def run(config: Path, *arguments: str, text: str = "") -> Result:
    """Run it."""
    command = [*arguments[:1], "--config", str(config), *arguments[1:]]
    return CliRunner().invoke(main, ["user", *command], input=text)


def test_life_of_a_user(config: Path) -> None:
    """Added with rights, listed without the password, changed only on request, removed."""
    added = run(
        config, "add", "payroll", "--sender", "*@example.co.jp", "--password-stdin", text=PASSWORD + "\n"
    )
    assert (added.exit_code, "user payroll added (*@example.co.jp; any listener)" in added.output) == (
        0,
        True,
    )
    path = config.parent / "users.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(PASSWORD, read_users(path)["payroll"].password)
    assert PASSWORD not in path.read_text()
    listed = run(config, "list", "--json")
    assert json.loads(listed.output) == [{"name": "payroll", "senders": ["*@example.co.jp"], "listeners": []}]
    assert "payroll: *@example.co.jp; any listener" in run(config, "list").output
    again = run(config, "add", "payroll", "--password-stdin", text="another one\n")
    assert (again.exit_code, "--replace changes it" in again.output) == (1, True)
    changed = run(config, "add", "payroll", "--replace", "--generate")
    assert changed.exit_code == 0
    password = changed.output.split()[1]
    user = read_users(path)["payroll"]
    assert verify(password, user.password)
    told = json.loads(run(config, "add", "payroll", "--replace", "--generate", "--json").output)
    user = read_users(path)["payroll"]
    assert verify(told["password"], user.password)
    assert (told["name"], told["changed"]) == ("payroll", True)
    assert not verify(PASSWORD, user.password)
    assert user.senders == ()
    assert run(config, "remove", "payroll").exit_code == 0
    assert read_users(path) == {}
    assert run(config, "remove", "payroll").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "text", "told"),
    [
        (["add", "a b", "--generate"], "", "no user name"),
        (["add", "x", "--sender", "not an address", "--generate"], "", "Usage"),
        (["add", "x", "--password-stdin"], "short\n", "10 to 1024"),
        (["add", "x"], "correct horse\ncorrect house\n", "do not match"),
    ],
)
def test_mistakes(config: Path, arguments: list[str], text: str, told: str) -> None:
    """Told, and nothing is written."""
    result = run(config, *arguments, text=text)
    assert result.exit_code != 0
    assert told in result.output
    assert not (config.parent / "users.toml").exists()


def test_prompt(config: Path) -> None:
    """A person types the password twice and it is not shown."""
    result = run(config, "add", "x", "--sender", "<>", text=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output


def test_no_users_file(tmp_path: Path) -> None:
    """A config without one: what to write."""
    (tmp_path / "config.toml").write_text("")
    result = run(tmp_path / "config.toml", "list")
    assert result.exit_code == 1
    assert 'users_file = "users.toml"' in result.output


def test_rights() -> None:
    """Of senders: nobody else, and the empty one only if it is named; of listeners: these or all."""
    user = User(name="x", password="", senders=("*@example.co.jp", "a@example.com"), listeners=("inside",))
    assert user.may_send_as("HR@example.co.jp")
    assert user.may_send_as("a@example.com")
    assert not user.may_send_as("b@example.com")
    assert not user.may_send_as("")
    assert User(name="x", password="", senders=("<>",)).may_send_as("")
    assert not User(name="x", password="", senders=("<>",)).may_send_as("a@example.com")
    assert User(name="x", password="").may_send_as("")
    assert (user.may_use("inside"), user.may_use("outside"), User(name="x", password="").may_use("y")) == (
        True, False, True,
    )  # fmt: skip


HASHED = hash_password("x", b"0123456789abcdef", log_n=10, passes=1)


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        "[[user]]",
        '[[user]]\nname = "a"\npassword = "secret"',
        f'[[user]]\nname = "a"\npassword = "{HASHED}"\nadmin = true',
        f'[[user]]\nname = "a"\npassword = "{HASHED}"\nsenders = "a@example.com"',
        f'[[user]]\nname = "a"\npassword = "{HASHED}"\nsenders = ["no address"]',
        f'[[user]]\nname = "a"\npassword = "{HASHED}"\n' * 2,
        f'[user]\nname = "a"\npassword = "{HASHED}"',
        "[more]",
    ],
)
def test_bad_files(tmp_path: Path, content: str) -> None:
    """Refused whole, with the place."""
    path = tmp_path / "users.toml"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as error:
        read_users(path)
    assert all(problem.remedy for problem in error.value.problems)


def test_file_open_to_others(tmp_path: Path) -> None:
    """The hashes are for the gateway's user only."""
    path = tmp_path / "users.toml"
    write_users(path, [])
    path.chmod(0o640)
    with pytest.raises(ConfigError):
        read_users(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        HASHED.replace("ln=10", "ln=25"),
        HASHED.replace("ln=10", "ln=1"),
        HASHED.replace("p=1", "p=99"),
        HASHED.replace("scrypt", "argon2id"),
    ],
)
def test_hashes_that_are_none(text: str) -> None:
    """Also those that would cost more than we are ready to pay."""
    assert is_hash(HASHED)
    assert not is_hash(text)


def test_verify() -> None:
    """Only the password; salted, so that the same one does not look the same."""
    assert verify("x", HASHED)
    assert not verify("y", HASHED)
    assert not verify("x", HASHED[:-1] + ("A" if HASHED[-1] != "A" else "B"))
    assert not verify("x" * 2_000, HASHED)
    assert hash_password("x", b"another salt 123", log_n=10, passes=1) != HASHED
