from pathlib import Path

import pytest

import gateway
from gateway.config import embedded_config, read_rule_files, read_rule_folder, shipped_packs
from gateway.config.packs import is_leftover
from gateway.errors import ConfigError, Problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two rules, as an admin keeps one."""
    folder = tmp_path / "rules"
    (folder / "footers").mkdir(parents=True)
    (folder / "b.toml").write_bytes(b"b = 1\n")
    (folder / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    return folder


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped packs, as they lie in an installation."""
    packs = tmp_path / "site" / "gateway" / "packs"
    (packs / "footers").mkdir(parents=True)
    (packs / "ja.toml").write_bytes(b"x = 1\n")
    for name in ("default-ja.txt", "default-ja.html", "default-en.txt"):
        (packs / "footers" / name).write_bytes(b"shipped")
    monkeypatch.setattr(gateway, "__file__", str(packs.parent / "__init__.py"))
    return packs


def problems_of(folder: Path) -> list[tuple[str, str]]:
    """File name and message of every problem that a folder has."""
    with pytest.raises(ConfigError) as caught:
        read_rule_folder(folder)
    assert all(problem.remedy for problem in caught.value.problems)
    return [(Path(problem.file).name, problem.message) for problem in caught.value.problems]


def test_rules_in_name_order(folder: Path) -> None:
    """All rule files as bytes, in name order, without byte order marks, line ends as they are."""
    files = read_rule_folder(folder)
    assert list(files.rules.items()) == [("a.toml", b"a = 1\r\n"), ("b.toml", b"b = 1\n")]
    assert files.folder == folder
    assert files.warnings == ()


def test_folder_of_the_config(folder: Path) -> None:
    """The config's folder is read; a relative one counts from the config file."""
    config = embedded_config(folder.parent, {"rules": {"directory": "rules"}})
    assert list(read_rule_files(config).rules) == ["a.toml", "b.toml"]


def test_shipped_packs_in_an_installation(shipped: Path, tmp_path: Path) -> None:
    """Without a folder in the config the packs in the wheel are read."""
    assert shipped_packs() == shipped
    files = read_rule_files(embedded_config(tmp_path))
    assert list(files.rules) == ["ja.toml"]
    assert list(files.footers) == ["default-en.txt", "default-ja.html", "default-ja.txt"]


def test_shipped_packs_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout they are rules/ beside the package; with neither, the installation is damaged."""
    package = tmp_path / "gateway"
    package.mkdir()
    monkeypatch.setattr(gateway, "__file__", str(package / "__init__.py"))
    with pytest.raises(ConfigError):
        shipped_packs()
    (tmp_path / "rules").mkdir()
    assert shipped_packs() == tmp_path / "rules"


def test_footers_are_laid_over_the_shipped_ones(folder: Path, shipped: Path) -> None:
    """One's own footer takes the place of the shipped one of its name, text and HTML together."""
    (folder / "footers" / "default-ja.txt").write_bytes(b"own")
    (folder / "footers" / "brand.html").write_bytes(b"brand")
    (folder / "footers" / "notes.md").write_bytes(b"no footer")
    files = read_rule_folder(folder)
    assert files.footers == {"brand.html": b"brand", "default-en.txt": b"shipped", "default-ja.txt": b"own"}
    assert files.paths["default-en.txt"] == shipped / "footers" / "default-en.txt"


def test_groups(folder: Path) -> None:
    """Address lists for ``group:NAME``, with the bad lines told like those of any other file."""
    (folder / "groups").mkdir()
    (folder / "groups" / "hr.txt").write_text("Saiyo@example.co.jp\n# nobody\n*@hr.example.co.jp\n")
    assert read_rule_folder(folder).groups == {"hr": ("saiyo@example.co.jp", "*@hr.example.co.jp")}
    (folder / "groups" / "bad.txt").write_text("a b\n")
    assert problems_of(folder) == [("bad.txt", "'a b' is no address, domain or pattern")]


@pytest.mark.parametrize(
    "name",
    ["ja.toml~", "ja.toml.bak", ".ja.toml.swp", "ja - コピー.toml", "ja のコピー.toml", "コピー ～ ja.toml",
     "#ja.toml#", ".#ja.toml", "ja - Copy.toml", "ja copy.toml", "ja copy 2.toml", "Copy of ja.toml",
     "ja.toml.orig", "~$ja.toml"],
)  # fmt: skip
def test_leftovers(folder: Path, name: str) -> None:
    """What editors and file managers leave behind is passed over, and said."""
    (folder / name).write_bytes(b"\xff")
    files = read_rule_folder(folder)
    assert list(files.rules) == ["a.toml", "b.toml"]
    assert [Path(warning.file).name for warning in files.warnings] == [name]


@pytest.mark.parametrize(
    "name", ["copyright.toml", "ja-terms.toml", "hardcopy.toml", "old.toml", "JA.TOML", "採用.toml"]
)
def test_no_leftovers(name: str) -> None:
    """Names that only look a little like it are rule files."""
    assert not is_leftover(name)


def test_other_files_do_not_matter(folder: Path) -> None:
    """A README, a hidden file or a folder of version control is nobody's business, and no reason to warn."""
    (folder / "README.md").write_bytes(b"\xff")
    (folder / ".hidden.toml").write_bytes(b"\xff")
    (folder / ".git").mkdir()
    assert list(read_rule_folder(folder).rules) == ["a.toml", "b.toml"]
    assert read_rule_folder(folder).warnings == ()


def test_every_bad_file_at_once(folder: Path) -> None:
    """CP932, too big, a folder with the name of a rule, a footer in UTF-16: all are told together."""
    (folder / "c.toml").write_bytes("説明 = 1".encode("cp932"))
    (folder / "d.toml").write_bytes(b"#" * ((1 << 20) + 1))
    (folder / "e.toml").mkdir()
    (folder / "footers" / "f.txt").write_bytes("お祈り".encode("utf-16"))
    found = dict(problems_of(folder))
    assert sorted(found) == ["c.toml", "d.toml", "e.toml", "f.txt"]
    assert "CP932" in found["c.toml"]
    assert "UTF-16" in found["f.txt"]


def test_no_rules(tmp_path: Path) -> None:
    """A missing or empty folder is an error: it must never switch all rules off in silence."""
    assert problems_of(tmp_path / "none") == [("none", "there is no such folder")]
    (tmp_path / "empty").mkdir()
    assert problems_of(tmp_path / "empty") == [("empty", "there is no rule file (*.toml) in this folder")]


def test_too_many_files(folder: Path) -> None:
    """The wrong folder, named by mistake, is not read to its end."""
    for number in range(501):
        (folder / f"{number}.toml").touch()
    assert problems_of(folder) == [("rules", "there are more than 500 files in this folder")]


def test_problems_get_their_paths(folder: Path) -> None:
    """Rules and footers know files by name; a person needs the path."""
    files = read_rule_folder(folder)
    problem = Problem(file="a.toml", key="rule[0]", message="m", remedy="r")
    assert files.located(problem).file == str(folder / "a.toml")
