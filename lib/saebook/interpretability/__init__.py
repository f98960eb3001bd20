"""Is a latent explained by what it fires on? Windows, explanations, detection, and its bounds."""

from saebook.interpretability.corpus import (
    LabelledCorpus,
    LatentCodes,
    TokenCorpus,
    read_corpus,
    read_tokens,
)
from saebook.interpretability.detection import (
    balanced_accuracy,
    detection_frame,
    detection_scores,
    published_labels,
    row_auroc,
    true_labels,
)
from saebook.interpretability.floor import random_direction_codes, thresholded_codes
from saebook.interpretability.inventory import InventoryExplainer
from saebook.interpretability.lexicon import LexiconExplainer
from saebook.interpretability.windows import (
    LatentWindows,
    WindowSizes,
    latent_windows,
    live_latents,
    scoreable_latents,
)

__all__ = [
    "InventoryExplainer",
    "LabelledCorpus",
    "LatentCodes",
    "LatentWindows",
    "LexiconExplainer",
    "TokenCorpus",
    "WindowSizes",
    "balanced_accuracy",
    "detection_frame",
    "detection_scores",
    "latent_windows",
    "live_latents",
    "published_labels",
    "random_direction_codes",
    "read_corpus",
    "read_tokens",
    "row_auroc",
    "scoreable_latents",
    "thresholded_codes",
    "true_labels",
]
