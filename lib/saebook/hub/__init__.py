"""The papers' own models, SAEs and data: what they are, what they need, how they are loaded.

The catalogue, the sizes and the costs know nothing of torch; the loaders are modules of their own.
"""

from saebook.hub.entries import data_set, published_sae, subject_entry
from saebook.hub.errors import HubError
from saebook.hub.schema import DataEntry, SAEEntry, SubjectEntry

__all__ = [
    "DataEntry",
    "HubError",
    "SAEEntry",
    "SubjectEntry",
    "data_set",
    "published_sae",
    "subject_entry",
]
