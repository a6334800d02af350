"""The shape of a rule file: every key, its type and its default. Unknown keys are errors."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Reference = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9|/-]*$")]
References = tuple[Reference, ...]
Texts = tuple[Annotated[str, Field(min_length=1)], ...]
Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Near = Literal["same", "next", "previous", "subject", "mail", "quoted"]
Place = Literal["subject", "body"]
Where = Literal["subject", "body", "refusal", "thanks"]
Action = Literal["inject", "observe", "partial", "off"]
Placement = Literal["auto", "end", "top"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class TermTable(_Table):
    """``[terms.NAME]``: a list of words that mean the same to the rules; `where` they do."""

    words: Texts = ()
    patterns: Texts = ()
    include: References = ()
    hide: Texts = ()
    where: Annotated[tuple[Place, ...], Field(min_length=1)] = ("subject", "body")
    core: bool = False
    phrase: bool = False
    part: bool = False


class GrammarTable(_Table):
    """``[grammar]``: conditions, words of thanks and marks of cited speech in this language."""

    condition_before: References = ()
    condition_after: References = ()
    thanks: References = ()
    cited: tuple[Annotated[str, Field(min_length=2, max_length=2)], ...] = ()
    distance: Annotated[int, Field(ge=0, le=400)] | None = None
    reach: Annotated[int, Field(ge=0, le=200)] | None = None


class WordingTable(_Table):
    """``[wording.NAME]``: how texts of a kind read, as weights of short runs and of terms."""

    language: Literal["ja", "en"]
    bias: Annotated[float, Field(ge=-50, le=50)] = 0.0
    weights: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Weight], Field(min_length=1)]
    terms: dict[Reference, Weight] = {}
    subject: dict[Reference, Weight] = {}


class StatementTable(_Table):
    """What signals, objections, vetoes and leaves have in common.

    A statement has `terms`, or it has a `wording` and one of `at_least` and `at_most`.
    """

    id: Name
    terms: Annotated[References, Field(max_length=6)] = ()
    wording: Name | None = None
    at_least: Annotated[float, Field(gt=0, lt=1)] | None = None
    at_most: Annotated[float, Field(gt=0, lt=1)] | None = None
    order: Literal["written", "any"] = "written"
    distance: Annotated[int, Field(ge=0, le=400)] | None = None
    none: References = ()
    none_before: References = ()
    none_after: References = ()
    none_between: References = ()
    reach: Annotated[int, Field(ge=0, le=200)] | None = None
    not_if_conditional: bool | None = None
    bound: References = ()
    near: tuple[Near, ...] = ("same", "next", "previous", "subject")
    unless_near: References = ()


class SignalTable(StatementTable):
    """``[[signal]]``: something that a refusal says (or, `against`, that it would not say)."""

    strength: Literal["strong", "weak", "against"]
    over_vetoes: Texts = ()
    weight: Annotated[float, Field(gt=0, le=10)] | None = None
    where: tuple[Where, ...] | None = None


class ObjectionTable(StatementTable):
    """``[[objection]]``: another thing than a person that is refused."""

    weight: Annotated[float, Field(gt=0, le=10)] = 1.0
    where: tuple[Where, ...] = ("refusal", "thanks", "subject")


class VetoTable(StatementTable):
    """``[[veto]]``: whatever else the mail says, it is not a refusal."""

    where: tuple[Where, ...] = ("subject", "body")


class LeaveTable(StatementTable):
    """``[[leave]]``: a refusal, but one to leave alone."""

    reason: Literal["sensitive", "own-alternative"]
    where: tuple[Where, ...] = ("subject", "body")


class ScopeTable(_Table):
    """``[rule.scope]``."""

    senders: Literal["any", "config"] | Texts = ()
    not_senders: Texts = ()
    recipients: Texts = ()
    not_recipients: Texts = ()
    headers: dict[str, str] = {}
    not_headers: dict[str, str] = {}
    largest: Annotated[int, Field(ge=1)] | None = None
    language: tuple[Literal["ja", "en"], ...] = ()


class PartialTable(_Table):
    """``[rule.partial]``: who gets the footer while a rule is rolled out."""

    senders: Texts = ()
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class RuleTable(_Table):
    """``[[rule]]``: evidence, scope and action."""

    id: Name
    description: str = ""
    signals: Texts = ("*",)
    objections: Texts = ("*",)
    vetoes: Texts = ("*",)
    leaves: Texts = ("*",)
    threshold: Annotated[float, Field(gt=0, le=100)] = 1.0
    weak_cap: Annotated[float, Field(ge=0, le=100)] = 0.6
    action: Action = "observe"
    partial: PartialTable = PartialTable()
    campaign: str = ""
    footer: str = ""
    placement: Placement = "auto"
    scope: ScopeTable = ScopeTable()


class ExampleTable(_Table):
    """``[[example]]``: a mail, and what the rules of this file must say about it."""

    text: str = ""
    subject: str = ""
    file: str = ""
    quoted: str = ""
    matched: bool
    rule: str = ""
    reason: str = ""
    sender: str = ""
    note: str = ""


class RuleFile(_Table):
    """One file, whole."""

    pack: Name | None = None
    spellings: tuple[Annotated[Texts, Field(min_length=2)], ...] = ()
    grammar: GrammarTable = GrammarTable()
    terms: dict[Name, TermTable] = {}
    wording: dict[Name, WordingTable] = {}
    signal: tuple[SignalTable, ...] = ()
    objection: tuple[ObjectionTable, ...] = ()
    veto: tuple[VetoTable, ...] = ()
    leave: tuple[LeaveTable, ...] = ()
    rule: tuple[RuleTable, ...] = ()
    example: tuple[ExampleTable, ...] = ()
