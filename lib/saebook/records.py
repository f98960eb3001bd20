"""Tables of record: measured once at the full tier, read and judged again at the testbed tier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd
import yaml

from saebook.parameters import ChapterParameters
from saebook.paths import records_dir, results_dir, tiers_dir

Maker = Callable[[], pd.DataFrame]
MADE_ON, SIZE = "made_on", "size"
log = logging.getLogger("saebook")
Chosen = TypeVar("Chosen", bound=ChapterParameters)
Job = TypeVar("Job")


def recorded_table(
    slug: str,
    name: str,
    tier: str,
    made_on: str,
    make: Maker,
    folder: Path | None = None,
    size: str = "",
) -> pd.DataFrame:
    """Return a chapter's table: from the records at the testbed tier, else measured now.

    At the full tier the measured table is written beside the results as `<slug>.<name>.parquet`,
    and a run that was stopped goes on from the tables of its size that lie there already. At the
    testbed tier a record counts only if it was made on the same models; if there is none the
    table is measured, at whatever size the parameters ask for.

    Args:
        slug: The paper.
        name: Of the table, unique in the chapter.
        tier: smoke, testbed or full.
        made_on: What the numbers depend on beside the code, such as a digest of the models.
        make: Measures the table.
        folder: Where records are; the project's own by default.
        size: The full run's parameters, as text.
    """
    if tier == "testbed":
        found = read_record(slug, name, made_on, folder)
        if found is not None:
            return found
    if tier == "full":
        found = read_record(slug, name, made_on, results_dir())
        if found is not None and found.attrs.get(SIZE) == size:
            return found
    table = make()
    table.attrs = {MADE_ON: made_on, SIZE: size}
    if tier == "full":
        table.to_parquet(results_dir() / _file(slug, name))
    return table


def full_tier(slug: str, parameters: type[Chosen]) -> Chosen:
    """Return a chapter's parameters at the full tier, for grids that are run by hand."""
    text = (tiers_dir() / "full" / f"{slug}.yaml").read_text(encoding="utf-8")
    return parameters.checked(yaml.safe_load(text))


def check_weights(slug: str, made_with: Mapping[str, str], today: Callable[[str], str]) -> None:
    """Refuse records of models whose weights are others now.

    Args:
        slug: The paper.
        made_with: Digest of each model's weights when its records were made.
        today: Gives the digest of a model as it is.

    Raises:
        ValueError: A model's weights differ; it is named.
    """
    for model, weights in made_with.items():
        now = today(model)
        if weights != now:
            raise ValueError(
                f"the records of {model} were made with weights {weights}, these are {now}; "
                f"run `make full NB={slug}`"
            )


def recorded_tables(
    slug: str, config: ChapterParameters, made_on: str, makers: Mapping[str, Maker]
) -> dict[str, pd.DataFrame]:
    """Return all of a chapter's tables by name, each as `recorded_table` gets it.

    Args:
        slug: The paper.
        config: The chapter's parameters, `tier` among them; they are the size of a full run.
        made_on: What the numbers depend on beside the code, such as a digest of the models.
        makers: Measures each table.
    """
    tier, size = config.model_dump()["tier"], config.model_dump_json()
    return {
        name: recorded_table(slug, name, tier, made_on, make, size=size)
        for name, make in makers.items()
    }


def read_record(
    slug: str, name: str, made_on: str, folder: Path | None = None
) -> pd.DataFrame | None:
    """Read a table of record; None if there is none or it was made on other models (said once)."""
    found = matching_record(slug, name, made_on, folder)
    file = _file(slug, name)
    if found is None and ((records_dir() if folder is None else folder) / file).is_file():
        log.warning("%s was made on other models; it is measured again at this tier's size", file)
    return found


def matching_record(
    slug: str, name: str, made_on: str, folder: Path | None = None
) -> pd.DataFrame | None:
    """Read a table of record that was made on the same models, else None; nothing is said."""
    path = (records_dir() if folder is None else folder) / _file(slug, name)
    table = pd.read_parquet(path) if path.is_file() else None
    return table if table is not None and table.attrs.get(MADE_ON) == made_on else None


def _file(slug: str, name: str) -> str:
    return f"{slug}.{name}.parquet"


def shard(jobs: Sequence[Job], which: str) -> list[Job]:
    """Return one of several equal shares of a grid: "2/8" is every eighth job from the second on.

    Take the share of the whole plan, before what is done already is left out: the shares of runs
    that start one after another would otherwise be cut from different lists.

    Raises:
        ValueError: It does not name a share, such as "0/8" or "9/8".
    """
    place, _, n = which.partition("/")
    if not (place.isdecimal() and n.isdecimal() and 1 <= int(place) <= int(n)):
        raise ValueError(f"shard is {which!r}; write 2/8 for the second of eight")
    return list(jobs[int(place) - 1 :: int(n)])
