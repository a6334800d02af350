"""What the benchmark says is what was measured: mails whole and unique, counts exact, ratios right."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from pathlib import Path

import pytest

from bench.mails import template
from bench.measure import FIRST_MAILS, FailedError, Numbers, Sink, latency, memory
from bench.report import Results, lines, save
from bench.systems import Direct, OfGateway, gateway_with
from tests.peers.action import reply
from tests.peers.scripted import ScriptedHop


@pytest.fixture
def sink() -> Iterator[Sink]:
    """The counting next hop."""
    own = Sink()
    try:
        yield own
    finally:
        own.stop()


@pytest.mark.parametrize("kind", ["rejection", "ordinary"])
@pytest.mark.parametrize("octets", [4096, 100_000, 5_000_000])
def test_mails_are_whole_and_unique(kind: str, octets: int) -> None:
    """About as large as asked for, stuffed, ended by the dot, without a defect; each number gives another."""
    mail = template(kind, octets)
    first, second = (b"".join(mail.pieces(number)) for number in (7, 8))
    assert 0.9 * octets < len(first) <= octets + 100
    assert first.endswith(b"\r\n.\r\n")
    assert first.find(b"\r\n.") == len(first) - 5
    assert first.count(b"\r\n") == first.count(b"\n") == first.count(b"\r")
    parsed = message_from_bytes(first.removesuffix(b".\r\n"))
    assert [part.defects for part in parsed.walk()] == [[]] * len(list(parsed.walk()))
    assert (first.count(b"%020d" % 7), second.count(b"%020d" % 8), first == second) == (3, 3, False)


async def generate(port: int | str, *words: str) -> dict[str, object]:
    """Run the generator and give what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", str(port), *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("--sessions=3",),
        ("--sessions=3", "--single"),
        ("--recipients=3",),
        ("--octets=200000", "--sessions=2"),
    ],
)
async def test_generator_and_sink_agree(sink: Sink, words: tuple[str, ...]) -> None:
    """What the one has sent, the other has counted."""
    result = await generate(sink.port, "--seconds=0.2", *words)
    count = sink.count()
    assert (result["refused"], count.mails, count.marked) == ({}, result["sent"], 0)
    assert count.mails > 3
    assert count.recipients == count.mails * (3 if words == ("--recipients=3",) else 1)


async def test_sessions_are_spread_over_nodes(sink: Sink) -> None:
    """Two nodes get a mail each in turn, from sessions of one mail."""
    other = Sink()
    try:
        result = await generate(f"{sink.port},{other.port}", "--seconds=0.2", "--sessions=2", "--single")
        counts = (sink.count().mails, other.count().mails)
    finally:
        other.stop()
    assert sum(counts) == result["sent"]
    assert min(counts) > 0


async def test_generator_sends_what_it_should() -> None:
    """A real conversation: no breach, unique recipients, whole mails; a session each with --single."""
    async with ScriptedHop() as hop:
        result = await generate(hop.port, "--seconds=0.2", "--sessions=2", "--single", "--first=100")
        assert hop.faults == []
        assert len(hop.taken) == result["sent"] == len({mail.recipients[0] for mail in hop.taken})
        assert hop.taken[0].content == b"".join(template("rejection", 4096).pieces(100)).removesuffix(
            b".\r\n"
        )
        assert all(len(session.transactions) == 1 for session in hop.sessions[: len(hop.taken)])


async def test_generator_tells_of_refusals() -> None:
    """A refused mail is no mail sent, and its reply is given."""
    async with ScriptedHop({"dot": [None, reply(451, "4.3.0 later")]}) as hop:
        result = await generate(hop.port, "--seconds=0.2", "--sessions=1")
        assert result["refused"] == {"5: 451 4.3.0 later": 1}
        assert result["sent"] == len(hop.taken)


def test_latency_and_memory_on_the_sink_itself(sink: Sink) -> None:
    """Direct against direct adds nothing to speak of; the sink holds no mail."""
    system = Direct(sink.port)
    found = latency(system, sink, Numbers(), kind="ordinary", mails=40)
    assert found["added_median"] == pytest.approx(0, abs=5)
    assert memory(system, Numbers(), kind="ordinary", octets=300_000, mails=5)["each_mb"] == 0
    assert sink.count().mails == 2 * 60 + FIRST_MAILS + 5


def test_a_closed_port_is_a_failure_with_a_reason() -> None:
    """No number is made up."""
    with pytest.raises((FailedError, OSError)):
        memory(Direct(1), Numbers(), kind="ordinary", octets=100_000, mails=1)


def test_report_has_medians_ratios_and_promises(tmp_path: Path) -> None:
    """Medians of the rounds, over the best of each family; a promise is kept or broken by them."""
    results = Results({"rounds": 3})
    rates = {
        "direct": [100, 90, 110],
        "postfix": [10, 10, 10],
        "haraka-1": [8, 8, 8],
        "haraka-2": [10, 9, 11],
        "unrecorded-1": [50, 50, 50],
        "nodes-1": [29, 29, 29],
    }
    for system, values in (rates | {"gateway-1": [50, 30, 40], "gateway-2": [20, 29, 25]}).items():
        for value in values:
            results.add("rejection-100", system, {"per_second": value, "cpu_per_1000": 1.0, "pss_mb": 2.0})
    results.missing["altermime"] = "no altermime here"
    text = "\n".join(lines(results))
    (gateway,) = [line for line in text.splitlines() if line.startswith("  gateway-1")]
    assert gateway.split()[:7] == ["gateway-1", "40.00", "30.00", "50.00", "0.40", "4.00", "4.00"]
    assert "kept   4 KB rejections, over Haraka at its best: 4.00, promised at least 4   (gateway-1)" in text
    assert "kept   4 KB rejections, over Postfix as a relay: 4.00" in text
    assert "kept   4 KB rejections with a ledger in SQLite, over none: 0.80, promised at least 0.6" in text
    assert "BROKEN the same with a ledger in PostgreSQL: 0.58" in text
    assert "altermime: no altermime here" in text
    stored = json.loads(save(results, tmp_path / "results").read_text("utf-8"))
    assert stored["runs"]["rejection-100"]["postfix"][0]["per_second"] == 10


async def test_without_a_ledger_each_mail_has_its_link_all_the_same(sink: Sink) -> None:
    """What the ledger costs is the difference between two gateways that do the same otherwise."""
    with gateway_with(1, recorded=False)(sink.port) as system:
        result = await generate(system.port, "--kind=rejection", "--seconds=0.2", "--sessions=2")
        assert isinstance(system, OfGateway)
        with closing(sqlite3.connect(system.gateway.folder / "ledger.db")) as ledger:
            assert ledger.execute("SELECT count(*) FROM sends").fetchone() == (0,)
    count = sink.count()
    assert count.mails == count.marked == result["sent"]
    assert system.name == "unrecorded-1"


@pytest.mark.parametrize(("kind", "most"), [("rejection", 480), ("ordinary", 330)])
def test_a_mail_costs_few_calls(kind: str, most: int) -> None:
    """A step that every mail takes has a price, and the sum of them is what speed depends on.

    Calls of Python functions are counted, not time: the number is the same on every machine.
    """
    command = [
        sys.executable,
        "-m",
        "bench.micro_mail",
        "--calls",
        "--sessions=10",
        "--mails=60",
        "--kind",
        kind,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"(\d+) calls of Python functions a mail", done.stdout)
    assert found, done.stdout
    assert int(found[1]) <= most
