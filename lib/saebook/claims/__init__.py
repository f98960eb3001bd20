"""Claims, how each would be tested, what was found, and the word for it."""

from saebook.claims.aside import answer_line
from saebook.claims.ledger import SLUGS, LedgerError, load_all, load_ledger
from saebook.claims.results import Results, ResultsError, load_results
from saebook.claims.schema import BLOCKS, Ledger
from saebook.claims.scorecard import Scorecard, scorecard, verdict_line
from saebook.claims.verdicts import Decision, Verdict, decide

__all__ = [
    "BLOCKS",
    "SLUGS",
    "Decision",
    "Ledger",
    "LedgerError",
    "Results",
    "ResultsError",
    "Scorecard",
    "Verdict",
    "answer_line",
    "decide",
    "load_all",
    "load_ledger",
    "load_results",
    "scorecard",
    "verdict_line",
]
