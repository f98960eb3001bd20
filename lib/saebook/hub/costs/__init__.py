"""GPU memory, hours and disk of every chapter at paper scale, derived from sizes."""

from saebook.hub.costs.chapters import CHAPTERS, ChapterCost, chapter_costs
from saebook.hub.costs.colab import COLAB, colab_costs
from saebook.hub.costs.machines import MACHINES, Machine
from saebook.hub.costs.steps import Cost, Finetuning, Generation, Reading, SAETraining

__all__ = [
    "CHAPTERS",
    "COLAB",
    "MACHINES",
    "ChapterCost",
    "Cost",
    "Finetuning",
    "Generation",
    "Machine",
    "Reading",
    "SAETraining",
    "chapter_costs",
    "colab_costs",
]
