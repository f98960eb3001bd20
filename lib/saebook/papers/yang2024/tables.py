"""The numbers that the paper prints (arXiv 2408.07888v2), as data.

Nothing here is computed; `saebook.papers.yang2024.audit` computes from it.
"""

from __future__ import annotations

RANDOM = "Random"
STRATEGIES = (
    "Curriculum", "Blocked", "Blocked Curriculum", "Interleaved", "Interleaved Curriculum",
)  # fmt: skip
"""The five orders held against a random shuffle."""
ORDERS = (RANDOM, *STRATEGIES)
CURRICULA = ("Curriculum", "Blocked Curriculum", "Interleaved Curriculum")
"""Orders that read the difficulty label; the other three are the same under any label."""

MODELS = ("TinyLlama", "Llama 2 7B", "Llama 2 13B", "Mistral 7B")
DATA_SETS = ("LEK", "MedMCQA", "MedQA")
MARGINS = (*MODELS, *DATA_SETS)
"""Columns of Tables 1 and 3: four means over data sets, three means over models."""
PRINTED_MEAN = "Mean"

_RANDOM = (20.40, 38.71, 42.57, 47.97, 43.55, 36.28, 32.40, 37.41)
_BLOCKED = (20.47, 38.46, 42.83, 48.10, 43.99, 36.45, 31.97, 37.47)
_INTERLEAVED = (21.74, 38.87, 42.79, 48.88, 44.18, 37.04, 32.99, 38.07)
_LLM_CURRICULUM = (20.88, 39.21, 42.82, 48.39, 44.36, 36.86, 32.26, 37.83)

TABLE_1A = {
    RANDOM: _RANDOM,
    "Curriculum": (19.79, 39.05, 43.68, 47.31, 44.68, 36.36, 31.35, 37.46),
    "Blocked": _BLOCKED,
    "Blocked Curriculum": (21.80, 38.32, 42.57, 47.10, 43.84, 36.46, 32.05, 37.45),
    "Interleaved": _INTERLEAVED,
    "Interleaved Curriculum": (21.10, 38.10, 42.69, 48.04, 43.81, 36.44, 32.20, 37.48),
}
"""Difficulty from test-takers: accuracy in percent over `MARGINS`, then the printed mean."""

TABLE_1B = {
    RANDOM: _RANDOM,
    "Curriculum": _LLM_CURRICULUM,
    "Blocked": _BLOCKED,
    "Blocked Curriculum": (21.84, 37.89, 42.67, 48.71, 43.64, 37.20, 32.51, 37.78),
    "Interleaved": _INTERLEAVED,
    "Interleaved Curriculum": (21.67, 38.98, 43.02, 49.32, 44.22, 38.09, 32.43, 38.25),
}
"""Difficulty from language models; three rows are those of Table 1a, printed again."""

TABLE_3 = {
    RANDOM: _RANDOM[:-1],
    "Curriculum": _LLM_CURRICULUM[:-1],
    "Blocked": (20.95, 38.23, 43.09, 47.94, 43.22, 36.77, 32.67),
    "Blocked Curriculum": (21.50, 38.39, 43.00, 47.62, 43.12, 37.43, 32.32),
    "Interleaved": (22.17, 38.23, 43.03, 47.77, 43.61, 37.39, 32.41),
    "Interleaved Curriculum": (20.74, 38.45, 43.01, 47.87, 43.33, 37.34, 31.88),
}
"""Difficulty from language models, categories from clustering; no mean is printed."""

TABLE_4 = {"LEK": (15, 5, 25), "MedQA": (5, 17, 202)}
"""Clustering settings found by search: neighbours, components, least size of a cluster."""

TABLE_5 = {
    RANDOM: (44.38, 41.67, 50.57, 45.54),
    "Curriculum": (45.40, 42.19, 51.14, 46.24),
    "Blocked": (44.76, 41.70, 50.71, 45.72),
    "Blocked Curriculum": (44.64, 41.89, 50.64, 45.72),
    "Interleaved": (44.65, 41.75, 50.87, 45.76),
    "Interleaved Curriculum": (44.92, 42.06, 50.73, 45.90),
}
"""Mistral 7B trained on the MedQA questions: accuracy over `DATA_SETS`, then the printed mean."""

TEST_ITEMS = {"LEK": 874, "MedMCQA": 4183, "MedQA": 1273}
"""Questions of each test set; LEK is its own training set, read by cross-validation."""
OPTIONS = {"LEK": 5, "MedMCQA": 4, "MedQA": 5}
"""Options a question has."""
FOLDS = 4
TRAINING_RUNS = 5
"""Runs averaged in a cell; no spread over them is printed."""

SETTINGS = {  # learning rate, items a batch, batches accumulated (Appendix B)
    "TinyLlama": (5e-4, 16, 1),
    "Llama 2 7B": (5e-5, 4, 2),
    "Llama 2 13B": (1e-4, 4, 2),
    "Mistral 7B": (1e-4, 4, 2),
}
HEADLINES = {
    "best per data set": 1.81,
    "best per model": 1.44,
    "best per model, version 1": 1.77,
    "average best, data sets": 1.02,
    "average best, models": 0.94,
    "best per data set, clustered": 1.15,
}
"""Gains over Random that the text quotes, percentage points."""
MODELS_COUNTED = 144
"""Fine-tuned models that the paper counts."""
LABEL_KINDS = 2

# The repository's difficulty file: `Index` is the row's position in the responses, not the
# question's number. Correlation of 1 - P(correct) of Mixtral with the file, joined either way.
INDEX_TRAP = {"joined by position": 0.79, "joined by question number": 0.01}
INDEX_ALIKE = 48
"""Rows of 874 in which position and question number are the same."""
DECIMALS = 2
