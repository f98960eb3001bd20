"""All six papers at a glance: what was answered, by which tier, and how far from the line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from saebook.claims.ledger import SLUGS, load_ledger
from saebook.claims.results import Results, ResultsError, load_results
from saebook.claims.rules import leaves
from saebook.claims.schema import BLOCKS, Block, Ledger, Test
from saebook.claims.verdicts import RANK, Decision, Verdict

TIERS = ("full", "testbed")
"""Folders of results under one root, the stronger first: a full result beats a testbed one."""

ROW_COLUMNS = (
    "slug",
    "claim",
    "origin",
    "evidence",
    "verdict",
    "why",
    "tier",
    "alpha",
    "amended",
    "says",
    "where",
)


def read_results(root: Path | None, ledger: Ledger) -> list[Results]:
    """One paper's results under `root/full` and `root/testbed`, where they exist.

    Raises:
        ResultsError: A file lies in the folder of another tier or is broken.
    """
    found = []
    for tier in TIERS if root is not None else ():
        path = Path(root or "") / tier / f"{ledger.slug}.json"
        if not path.is_file():
            continue
        results = load_results(path, ledger)
        if results.tier != tier:
            raise ResultsError(f"{tier}/{path.name} holds results of the {results.tier} tier")
        found.append(results)
    return found


def collect(
    root: Path | None = None, ledgers: Iterable[Ledger] | None = None, claims: Path | None = None
) -> pd.DataFrame:
    """One row per claim and kind of evidence over all papers; nothing is left out.

    Args:
        root: Folder with `full/` and `testbed/`, each holding `<slug>.json`; none gives the
            board of a book that has not run.
        ledgers: The book's six by default.
        claims: Folder of the ledgers if not the book's.
    """
    held = [load_ledger(slug, claims) for slug in SLUGS] if ledgers is None else list(ledgers)
    rows = [row for ledger in held for row in _rows(ledger, read_results(root, ledger))]
    return pd.DataFrame(rows, columns=pd.Index(ROW_COLUMNS))


def _rows(ledger: Ledger, runs: list[Results]) -> Iterable[dict[str, Any]]:
    for block, claim in ledger.rows():
        run = _answering(runs, claim.id, block)
        decision = (
            run.verdict(claim.id, block)
            if run is not None
            else Decision(*ledger.unanswered(claim.id, block))
        )
        test = claim.block(block)
        yield {
            "slug": ledger.slug,
            "claim": claim.id,
            "origin": claim.origin,
            "evidence": block,
            "verdict": decision.verdict.value,
            "why": decision.why,
            "tier": run.tier if run is not None else "",
            "alpha": test.alpha if isinstance(test, Test) else None,
            "amended": run is not None and f"{claim.id}.{block}" in run.changed_since(),
            "says": claim.says,
            "where": claim.where,
        }


def _answering(runs: list[Results], claim_id: str, block: Block) -> Results | None:
    """The strongest run that recorded the row, else one that rehearsed it."""
    for run in runs:
        if claim_id in run.records[block]:
            return run
    rehearsed = [run for run in runs if block == "paper" and claim_id in run.rehearsals]
    return rehearsed[0] if rehearsed else None


def counts(board: pd.DataFrame, by: str = "slug") -> pd.DataFrame:
    """Verdicts counted per paper (or per `origin`) and kind of evidence, every word a column."""
    words = [v.value for v in Verdict]
    table = pd.crosstab([board[by], board["evidence"]], board["verdict"])
    keys = [(k, b) for k in board[by].unique() for b in BLOCKS]
    index = pd.MultiIndex.from_tuples(keys, names=[by, "evidence"])
    return table.reindex(index=index, columns=pd.Index(words, name="verdict"), fill_value=0)


def false_passes(board: pd.DataFrame) -> pd.DataFrame:
    """How many tests would pass though no claim were true: the sum of their declared alphas.

    Columns, per kind of evidence: tests that declare an alpha, how many of these are answered,
    and the expected number of false passes among all and among the answered ones.
    """
    declared = board.loc[board["alpha"].notna()]
    answered = declared.loc[declared["verdict"].isin([v.value for v in RANK])]
    table = pd.DataFrame(
        {
            "tests": declared.groupby("evidence")["alpha"].size(),
            "answered": answered.groupby("evidence")["alpha"].size(),
            "expected": declared.groupby("evidence")["alpha"].sum(),
            "expected among answered": answered.groupby("evidence")["alpha"].sum(),
        }
    )
    table = table.reindex(list(BLOCKS)).fillna(0)
    return table.astype({"tests": int, "answered": int}).astype(
        {"expected": float, "expected among answered": float}
    )


def markdown_table(board: pd.DataFrame) -> str:
    """The table of the README and the landing page: a paper a row, a kind of evidence a column."""
    lines = ["| paper | claims | audit | testbed | paper scale |", "|---|---:|---|---|---|"]
    for slug, rows in board.groupby("slug", sort=False):
        cells = [_tally(rows.loc[rows["evidence"] == block]) for block in BLOCKS]
        lines.append(f"| {slug} | {rows['claim'].nunique()} | {' | '.join(cells)} |")
    key = " · ".join(v.label for v in Verdict)
    expected = false_passes(board)["expected among answered"].sum()
    note = f"{key}. Among the answered tests {expected:.1f} false passes are to be expected."
    return "\n".join([*lines, "", note]) + "\n"


def _tally(rows: pd.DataFrame) -> str:
    found = rows["verdict"].value_counts()
    return " · ".join(f"{found[v.value]} {v.symbol}" for v in Verdict if v.value in found)


FOREST_COLUMNS = (
    "slug",
    "claim",
    "part",
    "evidence",
    "tier",
    "verdict",
    "scaled",
    "scaled_low",
    "scaled_high",
)


def forest(root: Path, ledgers: Iterable[Ledger] | None = None) -> pd.DataFrame:
    """Every measured number as distance from its target in units of its tolerance.

    1 is the edge of passing (for bands -1 as well) and, for one-sided rules, 2 is where nothing
    happens. The strongest tier that recorded a row is shown; amended rows are left out.
    """
    held = [load_ledger(slug) for slug in SLUGS] if ledgers is None else list(ledgers)
    rows = [row for ledger in held for row in _forest_rows(ledger, read_results(root, ledger))]
    return pd.DataFrame(rows, columns=pd.Index(FOREST_COLUMNS))


def _forest_rows(ledger: Ledger, runs: list[Results]) -> Iterable[dict[str, Any]]:
    for block, claim in ledger.rows():
        run = _answering(runs, claim.id, block)
        test = claim.block(block)
        record = run.records[block].get(claim.id) if run is not None else None
        if run is None or record is None or not isinstance(test, Test):
            continue
        if record.digest != claim.digest(block):
            continue
        for name, rule, m in leaves(test.test, record.quantity()):
            low, high = sorted((rule.scaled(m.low), rule.scaled(m.high)))
            yield {
                "slug": ledger.slug,
                "claim": claim.id,
                "part": name,
                "evidence": block,
                "tier": run.tier,
                "verdict": record.verdict.value,
                "scaled": rule.scaled(m.estimate),
                "scaled_low": low,
                "scaled_high": high,
            }
