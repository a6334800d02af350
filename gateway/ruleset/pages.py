"""What holds in each text of a mail, and how it is written down."""

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii

from gateway.ruleset.evidence import Hit

#: Hits of one mail that are kept; a letter has ten.
MOST_HITS = 200

Pages = Sequence[Mapping[int, Sequence[Hit]]]
"""What holds in each text of a mail, by the number of the clause."""


def written(pages: Pages) -> str:
    """The hits as JSON, their texts apart (`kept`); empty where there are none."""
    left = MOST_HITS
    quoted, texts, found = encode_basestring_ascii, [], False
    for page in pages:
        # Written by hand: an encoder that is made for three lists in each other costs thrice as much.
        hits: list[str] = []
        for made in page.values():
            for hit in made[: left - len(hits)]:
                place = f"{quoted(hit.where)},{hit.sentence},{hit.start},{hit.end}"
                hits.append(f'["{hit.kind}",{quoted(hit.id)},{place}]')
        left -= len(hits)
        found = found or bool(hits)
        texts.append(f"[{','.join(hits)}]")
    return f"[{','.join(texts)}]" if found else ""
