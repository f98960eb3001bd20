"""What a ledger file (book/claims/<slug>.yaml) may hold, and what is refused in it."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from saebook.claims.rules import AnyRule
from saebook.claims.simple_rules import AnySimpleRule, Finite, Model
from saebook.claims.verdicts import Verdict

Block = Literal["audit", "testbed", "paper"]
BLOCKS: tuple[Block, ...] = get_args(Block)
"""The three kinds of evidence, in the order in which every table shows them."""

ORIGINS = ("paper", "derived", "ours")

Sentence = Annotated[str, Field(min_length=3)]
Name = Annotated[str, Field(min_length=1)]


class Paper(Model):
    """Which paper, in which version, with which code."""

    key: Annotated[str, Field(pattern=r"^[a-z]+\d{4}$")]
    title: Sentence
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{5}v\d+$")]
    venue: str = ""
    subject: Sentence
    """Models, SAEs and data the paper worked on."""
    code: str | None = None
    commit: str | None = None
    code_state: Sentence
    """What a re-user finds there."""


class Published(Model):
    """A number as the paper gives it."""

    quantity: Name
    value: Finite
    read: Literal["table", "text", "read off", "secondary", "recomputed"]
    """How it was read; `recomputed` means worked out from other published numbers."""
    place: Name
    unit: str = ""
    reading_error: Annotated[float, Field(gt=0)] | None = None
    """For values read off a figure: how far the eye may be wrong."""

    @model_validator(mode="after")
    def _read_off_has_an_error(self) -> Self:
        if (self.read == "read off") != (self.reading_error is not None):
            raise ValueError("reading_error belongs to values read off a figure, and only to them")
        return self


class Unanswered(Model):
    """A block that no measurement of this kind can or does answer."""

    status: Literal["not applicable", "not attempted"]
    why: Sentence


class Control(Model):
    """A second measurement that must come out as said, or the first one means nothing."""

    name: Name
    must: AnySimpleRule
    why: str = ""


class Detectable(Model):
    """The smallest effect the plan can see: `value` in the test's unit, with `n` units."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    n: Annotated[int, Field(ge=1)]
    of: Name


class Test(Model):
    """A pre-registered test: what is measured, what would count, and why there."""

    __test__ = False  # pytest would otherwise try to collect it

    metric: Sentence
    unit: str = ""
    test: AnyRule
    tolerance_why: Sentence
    exact: bool = False
    """True for arithmetic on published numbers, which has no interval."""
    controls: list[Control] = Field(default_factory=list)
    gates: list[Name] = Field(default_factory=list)
    smallest_effect: Detectable | None = None
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Chance that the test passes though nothing is there, where it can be said beforehand."""
    requires: list[Name] = Field(default_factory=list)
    pending: str | None = None
    """Why nothing has been measured so far; not part of what is pre-registered."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.exact and self.smallest_effect is None:
            raise ValueError("a test with an interval has to state its smallest_effect")
        names = [c.name for c in self.controls]
        if len(set(names)) < len(names):
            raise ValueError(f"control names repeat: {sorted(names)}")
        return self

    def preregistered(self) -> dict[str, Any]:
        """Everything fixed before a run, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"pending"}, by_alias=True)


def _kind_of_block(block: Any) -> str:
    named = "status" in block if isinstance(block, dict) else isinstance(block, Unanswered)
    return "Unanswered" if named else "Test"


Evidence = Annotated[
    Annotated[Unanswered, Tag("Unanswered")] | Annotated[Test, Tag("Test")],
    Discriminator(_kind_of_block),
]
"""A block with a `status` answers nothing and says why; any other has to be a test."""


class Departure(Model):
    """Where we do something else than the paper."""

    what: Sentence
    why: Sentence
    effect: Sentence


class Amendment(Model):
    """A rule changed after it was first written down, with what it said before."""

    date: datetime.date
    block: Block
    field: Name
    old: str
    new: str
    reason: Sentence


class Claim(Model):
    """One falsifiable row."""

    id: Annotated[str, Field(pattern=r"^[A-Z]\d+$")]
    says: Sentence
    origin: Literal["paper", "derived", "ours"]
    where: Sentence
    published: list[Published] = Field(default_factory=list)
    audit: Evidence
    testbed: Evidence
    paper: Evidence
    departures: list[Departure] = Field(default_factory=list)
    not_attempted: list[Sentence] = Field(default_factory=list)
    amendments: list[Amendment] = Field(default_factory=list)

    def block(self, name: Block) -> Unanswered | Test:
        """The evidence block of that name."""
        return getattr(self, name)

    def digest(self, block: Block) -> str:
        """Sha256 over the canonical JSON of one block's pre-registered parts.

        Prose that may improve later (place, reasons why a run is still missing, departures) is
        left out; id, metric, rule, tolerance and its reason, controls and gates are in.
        """
        held = self.block(block)
        body = held.preregistered() if isinstance(held, Test) else {"status": held.status}
        return _sha256({"id": self.id, "block": block, "body": body})

    @model_validator(mode="after")
    def _testbed_has_a_control(self) -> Self:
        if isinstance(self.testbed, Test) and not self.testbed.controls:
            raise ValueError(f"{self.id}: a testbed test needs a control that must come out")
        return self


class Ledger(Model):
    """All claims of one paper."""

    paper: Paper
    gates: dict[str, Sentence] = Field(default_factory=dict)
    """What each gate asks; a gate named in a claim has to be written down here."""
    reasons: dict[str, Sentence] = Field(default_factory=dict)
    """Sentences that several rows share: `pending: hub` stands for `reasons: {hub: ...}`."""
    departures: list[Departure] = Field(default_factory=list)
    claims: Annotated[list[Claim], Field(min_length=1)]

    @property
    def slug(self) -> str:
        """The paper's key, which is also the file's and the chapter's name."""
        return self.paper.key

    def __getitem__(self, claim_id: str) -> Claim:
        for claim in self.claims:
            if claim.id == claim_id:
                return claim
        raise KeyError(f"{self.slug} has no claim {claim_id!r}; it has {', '.join(self.ids)}")

    def __len__(self) -> int:
        return len(self.claims)

    @property
    def ids(self) -> list[str]:
        """Claim ids in the order of the file."""
        return [claim.id for claim in self.claims]

    def rows(self) -> Iterator[tuple[Block, Claim]]:
        """Every claim under every kind of evidence, none left out."""
        for block in BLOCKS:
            for claim in self.claims:
                yield block, claim

    def reason(self, text: str | None) -> str:
        """The sentence behind a shared key, or the text itself."""
        return self.reasons.get(text or "", text or "No result has been recorded yet.")

    def unanswered(self, claim_id: str, block: Block) -> tuple[Verdict, str]:
        """What a row says while nothing is recorded for it."""
        held = self[claim_id].block(block)
        if isinstance(held, Unanswered):
            return Verdict(held.status), self.reason(held.why)
        return Verdict.NOT_ATTEMPTED, self.reason(held.pending)

    @property
    def digest(self) -> str:
        """Sha256 over the digests of all rows."""
        return _sha256({f"{c.id}.{b}": c.digest(b) for b, c in self.rows()})

    @model_validator(mode="after")
    def _ids_and_gates_agree(self) -> Self:
        repeated = sorted({i for i in self.ids if self.ids.count(i) > 1})
        if repeated:
            raise ValueError(f"claim ids repeat: {', '.join(repeated)}")
        for block, claim in self.rows():
            held = claim.block(block)
            unknown = set(held.gates) - set(self.gates) if isinstance(held, Test) else set()
            if unknown:
                raise ValueError(f"{claim.id}.{block} names undeclared gates {sorted(unknown)}")
        return self


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
