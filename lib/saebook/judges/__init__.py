"""Grades 0, 1 and 2 for concept, instruction and fluency, by rule; an LLM judge if asked for."""

from saebook.judges.annotator import ConceptAnnotator
from saebook.judges.concept import InventoryJudge, LexiconJudge, reencoded_grades
from saebook.judges.fluency import FluencyJudge, perplexity_grades, repeated_share
from saebook.judges.generator import GeneratorLikelihood
from saebook.judges.grades import Cuts, grade, harmonic_mean
from saebook.judges.instruction import TopicJudge, instruction_pmi

__all__ = [
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
    "perplexity_grades",
    "reencoded_grades",
    "repeated_share",
]
