"""The line in the log from which an outcome can be written later, where the ledger can't (rule 22).

JSON with what the ledger would have got, and nothing else: keys and hashes, no address.
"""

import json

from gateway.store.bounded import bounded
from gateway.store.work import Note, Settle, TakeBackClaims, TakeBackIntents, Work
from gateway.transaction.ports import SendOutcome


def repair_line(outcome: SendOutcome) -> str:
    """`outcome` as one line of JSON, in ASCII."""
    return json.dumps(
        {
            "mail_key": outcome.mail_key.hex(),
            "person": outcome.person.hex(),
            "state": outcome.state.value,
            "put_off": outcome.counts_as_put_off,
            "host": bounded(outcome.host),
            "reply": bounded(outcome.reply),
        }
    )


def repair_lines(work: Work) -> list[str]:
    """All that is lost when `work` is never done.

    Apart from what an intent without an outcome says by itself.
    """
    match work:
        case Note(outcome):
            return [repair_line(outcome)]
        case Settle(mail_key, outcomes, notice, close):
            lines = [repair_line(one.send) for one in outcomes if one.send is not None]
            record = {
                "mail_key": mail_key.hex(),
                "notice": notice.value if notice else None,
                "close": close,
                "copies": {one.person.hex(): [one.fate.value, str(one.reply)] for one in outcomes},
            }
            return [*lines, json.dumps(record)]
        case TakeBackIntents(intents):
            return [
                json.dumps({"mail_key": one.mail_key.hex(), "person": one.person.hex(), "sent": False})
                for one in intents
            ]
        case TakeBackClaims(claims):
            return [json.dumps({"mail_key": claims.mail_key.hex(), "claims": "given up"})]
        case _:
            return []
