"""The grid of record: run what is missing, cell by cell, and write the tables of record."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence

import torch

from saebook.papers.zhang2026.arrays import cell_arrays, vectors
from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.plan import FAMILIES, plan, planned, vector_parts
from saebook.papers.zhang2026.records import Arrays, Records, tables
from saebook.papers.zhang2026.saes import name_of, spec_of
from saebook.papers.zhang2026.store import Store
from saebook.paths import records_dir, results_dir
from saebook.records import check_weights, full_tier, shard

log = logging.getLogger(__name__)


def collect(store: Store, run: bool, cells: Sequence[Cell]) -> Records:
    """Return the tables of record of a store.

    Args:
        store: Where cells and vectors are kept.
        run: Whether to run what is missing; otherwise it is left out.
        cells: Cells to take.
    """
    families = sorted({cell.family for cell in cells})
    layer, sae = name_of(spec_of(store.config))
    made = [(cell, cell_arrays(store, cell, run)) for cell in cells]
    held: dict[str, Arrays] = {family: {} for family in families}
    for family in families:
        for part in vector_parts(family):
            read = of_record(vectors(store, family, part, run), family, layer, sae)
            held[family] = read | held[family]  # the first part counts
    return tables(made, list(held.items()), {f: store.made_on(f) for f in families})


def of_record(arrays: Arrays, family: str, layer: int, sae: str) -> Arrays:
    """Return what rows are computed from.

    Of the main family: scores and changes of every SAE, further quantities of the default SAE and
    of raw dimensions at the default layer. Of the others: what C5 reads.

    Args:
        arrays: By name.
        family: House model.
        layer: Default layer.
        sae: Name of the default SAE.
    """
    whole = {(str(layer), sae), (str(layer), "raw")} if family == FAMILIES[0] else set()
    held = {}
    for name, array in arrays.items():
        what, kind, *_ = name.split("/")
        at, which, quantity = name.split("/")[-3:] if name.count("/") > 3 else ("", "", "")
        if what in ("axes", "moment"):
            wanted = family == FAMILIES[0] and kind == "skill"
        else:
            wanted = not at or (at, which) in whole or quantity in ("act", "ICL", "aligned")
        if wanted:
            held[name] = array
    return held


def records_of(config: Parameters) -> Records:
    """Return the records: of the package, or at the full tier with what is missing run and saved.

    Raises:
        FileNotFoundError: There are no records and the tier does not make them.
        ValueError: The records were made with other weights.
    """
    if config.tier != "full":
        held, family = Records.load(), config.model_name
        made_with = {family: held.made_on.get(family, "unknown").split("/")[0]}
        check_weights("zhang2026", made_with, Store(config).weights)
        return held
    found = collect(opened(config), run=True, cells=planned(config))
    found.save(results_dir())
    return found


def opened(config: Parameters) -> Store:
    """Return the store of a set of parameters, which knows the numbers of record if there are."""
    try:
        return Store(config, records=Records.load())
    except FileNotFoundError:
        return Store(config)


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing of the full tier's plan, cells and vectors, until time is up.

    With `--save`, write tables of all that is there, whatever the plan.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop starting cells after")
    parser.add_argument("--shard", default="1/1", help="a share of the work, such as 2/8")
    parser.add_argument("--save", action="store_true", help="write what is there to the records")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    store = opened(full_tier("zhang2026", Parameters))
    parts = [(family, part) for family in FAMILIES for part in vector_parts(family)]
    jobs = [
        *((lambda run, f=f, p=p: vectors(store, f, p, run), f"{f} {p}") for f, p in parts),
        *((lambda run, c=c: cell_arrays(store, c, run), c.key) for c in planned(store.config)),
    ]
    end = time.monotonic() + 60 * options.minutes
    for get, name in shard(jobs, options.shard):
        if time.monotonic() > end:
            break
        if not get(False):
            get(True)
            log.info("%s", name)
    if options.save:
        collect(store, run=False, cells=plan()).save(records_dir())


if __name__ == "__main__":
    main()
