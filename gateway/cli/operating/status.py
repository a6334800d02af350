"""``careerrelay status``: how the gateway is, in one look. Reads only."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import local_text, print_json

if TYPE_CHECKING:
    from gateway.config import Config

_DAY = 86_400
_MICRO = 1_000_000


@click.command()
@config_option
@click.option("--ready", is_flag=True, help="For health checks: exit 0 as long as mail is taken.")
@json_option
def status(*, config_path: Path, ready: bool, as_json: bool) -> None:
    """How the gateway is: whether it takes mail, what is wrong and what to run, brakes, ledger, numbers.

    Asks the running gateway at [web] listen, if there is one, and reads config and ledger. Exit 0 when all
    is well, 1 when there is something to do.
    """
    from gateway.config import load_config

    found = find(load_config(config_path))
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            click.echo(line)
    takes_mail = found["gateway"]["asked"] and not any(one["stops"] for one in found["troubles"])
    raise SystemExit(0 if (takes_mail if ready else found["ok"]) else 1)


command = status


def find(config: "Config") -> dict[str, Any]:
    """Everything that `status` tells."""
    from gateway.cli.operating.monitor import look

    seen = look(config)
    troubles: list[dict[str, Any]] = list(seen.readiness.get("troubles", ()))
    if seen.fault and config.web.listen is not None:
        run = "systemctl status careerrelay"
        troubles.append({"what": "not-running", "stops": True, "detail": seen.fault, "run": run})
    ledger = _ledger(config, troubles)
    gateway: dict[str, Any] = {"asked": not seen.fault, "detail": seen.fault}
    if not seen.fault:
        gateway |= {
            "status": seen.readiness.get("status"),
            "version": next(iter(seen.by_label("careerrelay_build_info")), ""),
            "up_seconds": round(time.time() - seen.total("careerrelay_start_seconds")),
            "workers": int(seen.total("careerrelay_workers_ready")),
            "workers_wanted": int(seen.total("careerrelay_workers_wanted")),
            "sessions": int(seen.total("careerrelay_sessions")),
            "mails": int(seen.total("careerrelay_mails_total")),
            "links": int(seen.total("careerrelay_link_outcomes_total")),
            "reasons": {k: int(v) for k, v in seen.by_label("careerrelay_reasons_total").items()},
            "limits": {k: int(v) for k, v in seen.by_label("careerrelay_limits_total").items()},
            "faults": int(seen.total("careerrelay_faults_total")),
            "alarms": int(seen.total("careerrelay_alarms_total")),
            "ledger_queue": int(seen.total("careerrelay_ledger_queue_rows")),
            "certificate_days_left": {
                file: round(seconds / _DAY, 1)
                for file, seconds in seen.by_label("careerrelay_certificate_left_seconds").items()
            },
        }
    return {
        "ok": not troubles,
        "mode": config.gateway.mode,
        "node": config.gateway.node,
        "listen": [str(listen.label) for listen in config.listen],
        "next_hops": {name: list(map(str, hop.hosts)) for name, hop in config.next_hops.items()},
        "troubles": troubles,
        "gateway": gateway,
        "ledger": ledger,
    }


def _ledger(config: "Config", troubles: list[dict[str, Any]]) -> dict[str, Any]:
    from gateway.errors import LedgerFault, SchemaFault
    from gateway.store import LedgerReader
    from gateway.store.flat import iso

    found: dict[str, Any] = {"url": config.ledger.safe_url}
    try:
        with LedgerReader(config.ledger.url) as reader:
            controls = reader.controls()
            keys = reader.matching_keys()
            found["sends_24h"] = reader.counts_since(int((time.time() - _DAY) * _MICRO))
    except LedgerFault as fault:
        what = "ledger-schema" if isinstance(fault, SchemaFault) else "ledger"
        troubles[:] = [one for one in troubles if one["what"] != what]
        run = "careerrelay db check"
        troubles.append({"what": what, "stops": False, "detail": str(fault), "run": run})
        return found | {"fault": str(fault)}
    brakes = {**({"*": controls.brake} if controls.brake is not None else {}), **controls.brakes}
    found["brakes"] = {
        rule or "*": {"since": iso(brake.at), "why": brake.why} for rule, brake in brakes.items()
    }
    found["matching_keys"] = {
        partner: {key_id: iso(since) for key_id, since in mine.items()} for partner, mine in keys.items()
    }
    found["stages"] = {rule or "*": stage.action for rule, stage in controls.stages.items()}
    found["ruleset"] = controls.active.id if controls.active is not None else None
    if found["brakes"] and not any(one["what"] == "brake" for one in troubles):
        detail, run = f"a brake is on: {', '.join(found['brakes'])}", "careerrelay rules resume"
        troubles.append({"what": "brake", "stops": False, "detail": detail, "run": run})
    return found


def _lines(found: dict[str, Any]) -> Iterator[str]:
    gateway, ledger = found["gateway"], found["ledger"]
    for one in found["troubles"]:
        yield f"{'!!' if one['stops'] else '! '} {one['detail']}"
        if one["run"]:
            yield f"   run: {one['run']}"
    if found["ok"]:
        yield "all is well"
    yield f"mode      {found['mode']}"
    if gateway["asked"]:
        minutes = gateway["up_seconds"] // 60
        yield f"gateway   {gateway['status']}, up {minutes} min, version {gateway['version']}"
        yield f"workers   {gateway['workers']} of {gateway['workers_wanted']}, {gateway['sessions']} sessions"
        yield f"mails     {gateway['mails']}, copies with a link {gateway['links']}"
        reasons = ", ".join(f"{name} {number}" for name, number in gateway["reasons"].items())
        yield f"reasons   {reasons or '-'}"
        yield f"faults    {gateway['faults']}, alarms {gateway['alarms']}"
        for file, days in gateway["certificate_days_left"].items():
            yield f"cert      {days:.0f} days left: {file}"
    else:
        yield f"gateway   {gateway['detail']}"
    yield f"ledger    {ledger['url']}"
    if "fault" not in ledger:
        sends = ", ".join(f"{state} {number}" for state, number in ledger["sends_24h"].items())
        yield f"sends     in 24 hours: {sends or 'none'}"
        for partner, mine in ledger["matching_keys"].items():
            for key_id, since in mine.items():
                yield f"matching  key {key_id} of {partner}: for sends since {local_text(since)}"
        yield f"rules     {ledger['ruleset'] or '-'} (careerrelay rules history)"
        for rule, brake in ledger["brakes"].items():
            yield f"brake     {rule} since {brake['since']}: {brake['why']}"
