import pytest

from gateway.config.place import find_line
from gateway.config.problems import key_path

TEXT = """\
top = 1
[gateway]
  hostname = "x"   # port = 1
own_domains = [
  "a",
]
[[listen]]
port = 1
[[ listen ]]
"port" = 2
[rules.mode]
"*" = "inject"
'ja pack' = "off"
[rules.brake]
[timeouts]
dot.seconds = 1
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("top", 1),
        ("gateway", 2),
        ("gateway.hostname", 3),
        ("gateway.own_domains[0]", 4),
        ("gateway.missing", 2),
        ("listen[0].port", 8),
        ("listen[1].port", 10),
        ("listen[1]", 9),
        ("listen[2]", None),
        ('rules.mode."*"', 12),
        ('rules.mode."ja pack"', 13),
        ("rules.brake.max_share", 14),
        ("missing", None),
        ("", None),
    ],
)
def test_find_line(key: str, line: int | None) -> None:
    """The line of a key, or of the section that lacks it."""
    assert find_line(TEXT, key) == line


def test_key_path() -> None:
    """Paths are written as one would write them in TOML."""
    assert key_path(("listen", 0, "port")) == "listen[0].port"
    assert key_path(("rules", "mode", 'a "b"')) == 'rules.mode."a \\"b\\""'
    assert key_path(()) == ""
