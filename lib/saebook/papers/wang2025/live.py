"""What the page measures itself: a cell of the tables again, a twin trained here, the floor."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saebook.judges import harmonic_mean
from saebook.papers.wang2025.cells import (
    ARMS,
    OWN,
    Tables,
    cell_texts,
    explained_latents,
    sae_figures,
)
from saebook.papers.wang2025.grid import grid_specs, reference_row
from saebook.papers.wang2025.latents import Explained, interpretability_frame
from saebook.papers.wang2025.measures import Measured
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting
from saebook.papers.wang2025.utility import GRADES, utilities, with_hm, world_grader
from saebook.zoo import HouseSAE, get_saes
from saebook.zoo.validity import SAE_BOUNDS, SAE_VALID

TOKENS = "thousand tokens it was trained on"


def repeated(setting: Setting, tables: Tables, config: Parameters) -> pd.DataFrame:
    """Steer the reference SAE's first `n_live_latents` anew and compare with the tables.

    Which latents are chosen, and what each writes, does not depend on how many there are.

    Returns:
        One row a text: arm, latent, factor, prompt and "same grades".

    Raises:
        ValueError: a text measured now is not in the tables.
    """
    row = reference_row(config)
    entry = _entry(config, None)
    explained = _explained(setting, entry, config)
    new = cell_texts(setting, entry.sae, explained, _live(config), world_grader(setting))
    new = new.astype({"arm": str})
    old = tables["texts"]
    old = old[old["sae"] == row].astype({"arm": str})
    place = ["arm", "latent", "factor", "prompt"]
    both = new.merge(old, on=place, suffixes=("", "_old"))
    if len(new) != len(both):
        raise ValueError(f"{len(new)} texts measured now, {len(both)} of them in the tables")
    same = pd.concat([both[g] == both[f"{g}_old"] for g in GRADES], axis=1).all(axis=1)
    return both[place].assign(**{"same grades": same})


def twin_table(setting: Setting, m: Measured, config: Parameters) -> pd.DataFrame:
    """The reference SAE trained here on `n_live_tokens`, beside the one that the tables hold.

    Returns:
        A column an SAE: tokens, the figures of `SAE_VALID`, and detection accuracy (published
        labels) and steering score of its first `n_live_latents` latents.
    """
    row, n = reference_row(config), _live(config).n_latents
    twin = _entry(config, config.n_live_tokens)
    explained = _explained(setting, twin, config)
    alone = _live(config).model_copy(update={"n_control_latents": 0})
    texts = with_hm(cell_texts(setting, twin.sae, explained, alone, world_grader(setting)))
    score = utilities(texts[texts["arm"] == OWN], ["latent"], config.n_dev)["score"]
    detected = interpretability_frame(setting.corpus, explained)["accuracy_published"]
    held = m.latents[m.latents["sae"] == row].head(n)
    shipped = m.tables["saes"].loc[row]
    says = {name: SAE_BOUNDS[name].says for name in SAE_VALID}
    columns = {
        "trained here": {
            TOKENS: twin.spec.n_tokens / 1000,
            **{says[name]: value for name, value in sae_figures(setting, twin).items()},
            f"detection accuracy of {n} latents": detected.mean(),
            f"steering score of {n} latents": score.mean(),
        },
        "its twin in the tables": {
            TOKENS: grid_specs(config)[row].n_tokens / 1000,
            **{says[name]: shipped[name] for name in SAE_VALID},
            f"detection accuracy of {n} latents": held["accuracy_published"].mean(),
            f"steering score of {n} latents": held["score"].mean(),
        },
    }
    return pd.DataFrame(columns)


def floor_table(setting: Setting, m: Measured) -> pd.DataFrame:
    """How far the judges' floor lies below what steering scores, on the setting's own model.

    Over the latents that every arm steers, each with its concept. The last row grades fresh
    unsteered texts of the held-out openings for the same concepts.

    Returns:
        Rows: the arms and "unsteered"; columns "texts with the concept" (share of all texts whose
        concept grade is above 0) and "score" (held-out openings, each latent's own factor).
    """
    saes = m.saes.index[m.saes["model"] == setting.subject.name]
    scores = m.controls[m.controls["sae"].isin(saes)]
    shared = scores[["sae", "latent"]].drop_duplicates()
    texts = m.texts.merge(shared).astype({"arm": str})
    table = pd.DataFrame(
        {
            "texts with the concept": (texts["concept"] > 0).groupby(texts["arm"]).mean(),
            "score": scores.groupby("arm")["score"].mean(),
        }
    ).reindex(ARMS)
    names = shared.merge(m.latents[["sae", "latent", "concept"]])["concept"].value_counts()
    prompts = range(m.config.n_dev, m.config.n_prompts)
    parts = [_unsteered_grades(setting, names.index.tolist(), prompt) for prompt in prompts]
    weights = names.to_numpy() / names.sum()
    table.loc["unsteered"] = [weights @ np.mean(part, axis=0) for part in zip(*parts, strict=True)]
    return table


def _unsteered_grades(
    setting: Setting, concepts: list[str], prompt: int
) -> tuple[np.ndarray, np.ndarray]:
    """Share of fresh unsteered texts that hold each concept, and their mean score, [n] each."""
    rows = setting.fresh[prompt]
    prompts, contexts = [prompt] * len(rows), [setting.opening_rows[prompt]] * len(rows)
    instruction = setting.topic.grades(rows, prompts)
    fluency = setting.fluency.grades(rows, contexts)
    columns = [setting.annotator.column(name) for name in concepts]
    held = [setting.concept.grades(rows, prompts, [c] * len(rows)) for c in columns]
    score = [harmonic_mean(grades, instruction, fluency).mean() for grades in held]
    return np.array([(grades > 0).mean() for grades in held]), np.array(score)


def _live(config: Parameters) -> Parameters:
    """The same run with fewer latents."""
    n = min(config.n_live_latents, config.n_latents)
    controls = min(config.n_control_latents, n)
    return config.model_copy(update={"n_latents": n, "n_control_latents": controls})


def _entry(config: Parameters, n_tokens: int | None) -> HouseSAE:
    """The reference SAE, trained on fewer tokens if told so."""
    spec = grid_specs(config)[reference_row(config)]
    if n_tokens is not None:
        spec = spec.model_copy(update={"n_tokens": min(n_tokens, spec.n_tokens)})
    return get_saes([spec], progress=False)[spec]


def _explained(setting: Setting, entry: HouseSAE, config: Parameters) -> Explained:
    return explained_latents(setting, entry.sae, _live(config).n_latents, config.seed)
