"""Grades 0, 1 and 2 for concept, instruction and fluency, by rule; an LLM judge if asked for."""

from saebook.judges.annotator import ConceptAnnotator
from saebook.judges.concept import InventoryJudge, LexiconJudge, reencoded_grades
from saebook.judges.fluency import (
    LOOP_QUANTILE,
    FluencyJudge,
    perplexity_grades,
    repeated_share,
)
from saebook.judges.generator import GeneratorLikelihood
from saebook.judges.grades import Cuts, grade, harmonic_mean
from saebook.judges.instruction import TopicJudge, instruction_pmi, mean_logprobs, thirds

__all__ = [
    "LOOP_QUANTILE",
    "ConceptAnnotator",
    "Cuts",
    "FluencyJudge",
    "GeneratorLikelihood",
    "InventoryJudge",
    "LexiconJudge",
    "TopicJudge",
    "grade",
    "harmonic_mean",
    "instruction_pmi",
    "mean_logprobs",
    "perplexity_grades",
    "reencoded_grades",
    "repeated_share",
    "thirds",
]
