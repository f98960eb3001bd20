"""The zoo: house SAEs, named by specs, trained on demand and kept."""

from saebook.zoo.grid import house_grid
from saebook.zoo.source import HouseSource
from saebook.zoo.spec import ARCHITECTURES, SAESpec
from saebook.zoo.store import HouseSAE, find_saes, get_saes

__all__ = [
    "ARCHITECTURES",
    "HouseSAE",
    "HouseSource",
    "SAESpec",
    "find_saes",
    "get_saes",
    "house_grid",
]
