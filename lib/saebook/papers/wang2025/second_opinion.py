"""A second opinion on the judges by rule: an LLM grades some texts; it decides nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from saebook.judges.llm import Answer, LLMJudge
from saebook.papers.wang2025.cells import explained_latents
from saebook.papers.wang2025.grid import grid_specs, reference_row
from saebook.papers.wang2025.parameters import Parameters
from saebook.papers.wang2025.setting import Setting
from saebook.papers.wang2025.utility import GRADES, graded_frame, steered_texts
from saebook.paths import user_cache_dir
from saebook.stats import spearman
from saebook.zoo import get_saes

KEY_VARIABLE = "SAEBOOK_JUDGE_KEY"
"""Environment variable whose value is sent to the endpoint as a bearer token."""


class Judge(Protocol):
    """Grades texts, see `LLMJudge.ask`."""

    def ask(self, quality: str, texts: Sequence[str], about: Sequence[str]) -> list[Answer]:
        """One answer a text."""
        ...


def judge_of(config: Parameters) -> LLMJudge:
    """The judge that the parameters name; its replies are kept in the user's cache."""
    return LLMJudge(
        config.judge_endpoint,
        config.judge_model,
        user_cache_dir() / "judge",
        key=os.environ.get(KEY_VARIABLE, ""),
    )


def sampled_texts(setting: Setting, config: Parameters) -> pd.DataFrame:
    """Steer the reference SAE's first latents and draw `n_judged` texts, as many a concept grade.

    Most texts hold nothing of their concept; drawn without regard to the grade, a sample would
    say little about how the judges tell 1 from 2.

    Returns:
        A row a text: text, concept, opening, and the `GRADES` by rule ("<grade>, rule").
    """
    spec = grid_specs(config)[reference_row(config)]
    sae = get_saes([spec], progress=False)[spec].sae
    n = min(config.n_live_latents, config.n_latents)
    explained = explained_latents(setting, sae, n, config.seed)
    if explained.content is None:
        raise ValueError("these latents have no concepts; explain them by the world")
    names = [setting.corpus.concepts[i] for i in explained.content.concept.tolist()]
    rows = torch.nn.functional.normalize(sae.W_dec.detach()[explained.ids], dim=1)
    keys, scales = explained.ids.tolist(), explained.windows.max_acts
    frame, ids = steered_texts(setting, rows, scales, keys, config)
    frame = graded_frame(setting, frame, ids, names)
    drawn = evenly(frame["concept"].to_numpy(), config.n_judged, config.seed)
    chosen = frame.iloc[drawn]
    return pd.DataFrame(
        {
            "text": [setting.subject.decode(ids[i]) for i in drawn],
            "concept": [names[i].split("/")[-1] for i in chosen["row"].astype(int)],
            "opening": [setting.openings[i].text for i in chosen["prompt"].astype(int)],
            **{f"{name}, rule": chosen[name].to_numpy(float) for name in GRADES},
        }
    )


def evenly(grades: np.ndarray, n: int, seed: int) -> list[int]:
    """Draw n places at random, one grade after the other as long as each has some left.

    Args:
        grades: Grade of each place.
        n: Places wanted; all of them if there are fewer.
        seed: Of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(grades))
    turn = pd.Series(grades[order]).groupby(grades[order]).cumcount()
    return [int(order[i]) for i in turn.sort_values(kind="stable").index[:n]]


def with_opinion(texts: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Add the judge's grades ("<grade>, LLM", NaN without one) and statuses ("<grade>, status")."""
    about = {"concept": texts["concept"], "instruction": texts["opening"]}
    found = {}
    for name in GRADES:
        subjects = about.get(name, texts["concept"]).tolist()
        answers = judge.ask(name, texts["text"].tolist(), subjects)
        found[f"{name}, LLM"] = [answer.grade for answer in answers]
        found[f"{name}, status"] = [answer.status for answer in answers]
    return texts.assign(**found)


def agreement(judged: pd.DataFrame) -> pd.DataFrame:
    """How far the two judges agree, a row a grade.

    Columns: texts, answered, unreadable, late, refused (replies); mean grade by rule and by the
    LLM over the answered texts, the latter also with missing grades as 0; share of answered texts
    with equal grades; Spearman's correlation (NaN where either judge gives one grade alone).
    """
    rows = {}
    for name in GRADES:
        status, there = judged[f"{name}, status"], judged[f"{name}, status"] == "answered"
        rule, said = judged.loc[there, f"{name}, rule"], judged.loc[there, f"{name}, LLM"]
        varied = rule.nunique() > 1 and said.nunique() > 1
        rows[name] = {
            "texts": len(judged),
            **{kind: int((status == kind).sum()) for kind in ("answered", "unreadable")},
            **{kind: int((status == kind).sum()) for kind in ("late", "refused")},
            "mean by rule": rule.mean(),
            "mean by the LLM": said.mean(),
            "the same, missing as 0": judged[f"{name}, LLM"].fillna(0.0).mean(),
            "equal": (rule == said.round()).mean() if len(rule) else float("nan"),
            "Spearman": spearman(rule, said) if varied else float("nan"),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
