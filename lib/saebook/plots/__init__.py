"""Drawing: tidy frames in, marks on given axes or small pieces of HTML out; nothing is loaded here.

Figures carry no title; caption, name and alternative text stand in the notebook's cell metadata.
"""

from saebook.plots.gates import gate_grid, gates_figure
from saebook.plots.style import ARCH_STYLE, COLORS, SQUARE, VERDICT_STYLE, WIDE, figure, use_style
from saebook.plots.sweeps import coeff_sweep, layer_profile, paper_vs_ours, pareto
from saebook.plots.tokens import KIND_STYLE, concept_legend, concept_tokens, token_heat
from saebook.plots.world import concept_zipf, labelled_heat

__all__ = [
    "ARCH_STYLE",
    "COLORS",
    "KIND_STYLE",
    "SQUARE",
    "VERDICT_STYLE",
    "WIDE",
    "coeff_sweep",
    "concept_legend",
    "concept_tokens",
    "concept_zipf",
    "figure",
    "gate_grid",
    "gates_figure",
    "labelled_heat",
    "layer_profile",
    "paper_vs_ours",
    "pareto",
    "token_heat",
    "use_style",
]
