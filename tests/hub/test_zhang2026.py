"""The paper's own experiment on stand-ins: chats, tokens that are compared, rows, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from saebook.claims import Results, load_ledger
from saebook.finetune.items import IGNORE
from saebook.hub import HubError
from saebook.hub.models import load_published
from saebook.papers.zhang2026 import published, published_rows, published_texts
from saebook.papers.zhang2026.cells import Cell
from saebook.papers.zhang2026.evidence import Evidence
from saebook.papers.zhang2026.parameters import Parameters
from saebook.papers.zhang2026.published_texts import Solved
from saebook.papers.zhang2026.records import Arrays, tables
from saebook.testbed.lexicon import DOMAINS

SHOWN = [Solved("which count is less than 5 ?", "reason : it is 3 . answer : 3")] * 2
FAMILY, SPARSE, DENSE = (
    "model",
    "gemma-scope-9b-it-l31-131k-l0-13",
    "gemma-scope-9b-it-l31-131k-l0-109",
)
WIDTH, N = 40, 2


@pytest.fixture
def subject(hub):
    """A stand-in with a chat template."""
    return load_published("qwen2.5-0.5b-instruct", chat=True)


def test_a_query_keeps_its_own_tokens_with_and_without_demonstrations(subject):
    bare, full = published_texts.query_pair(subject, "how many times is law listed ?", SHOWN, 400)
    n = len(bare.template)
    assert bare.ids[-n:] == full.ids[-n:] and bare.template == full.template
    assert subject.encode(["how many times is law listed ?"])[0][-1] in bare.ids[-n:]
    assert any(bare.template) and not all(bare.template)
    assert full.n_before > bare.n_before


def test_what_is_too_long_loses_its_beginning_and_never_its_own_tokens(subject):
    bare, full = published_texts.query_pair(subject, "how many times is law listed ?", SHOWN, 24)
    assert (
        len(full.ids) == 24 and full.ids[-len(full.template) :] == bare.ids[-len(bare.template) :]
    )
    with pytest.raises(HubError, match="tokens of its own; it takes 1 to 4"):
        published_texts.query_pair(subject, "how many times is law listed ?", SHOWN, 4)


def test_a_tokenizer_without_a_template_is_refused(subject):
    subject.tokenizer.chat_template = None
    with pytest.raises(HubError, match="has no chat template"):
        published_texts.chat_ids(subject, "which ?")


def test_only_the_solution_is_learnt(subject):
    (item,) = published_texts.training_items(subject, SHOWN[:1], 400)
    learnt = [token for token in item.labels if token != IGNORE]
    assert subject.decode(learnt).split()[:3] == SHOWN[0].solution.split()[:3]
    (cut,) = published_texts.training_items(subject, SHOWN[:1], len(item.ids) - 2)
    assert cut.ids == item.ids[:-2]
    with pytest.raises(HubError, match="leaves nothing to learn in 8"):
        published_texts.training_items(subject, SHOWN[:1], 8)


def test_demonstrations_are_never_the_query_and_texts_may_run_out(hub, subject):
    problems = published_texts.source_problems(6)
    pairs = published_texts.source_pairs(subject, problems, 2, 30, 4_000)
    assert sum(len(alone.template) for alone, _ in pairs) >= 30
    with pytest.raises(HubError, match="where 100000 are asked for"):
        published_texts.source_pairs(subject, problems, 2, 100_000, 4_000)
    with pytest.raises(HubError, match="2 problems give no query and 2 demonstrations"):
        published_texts.source_pairs(subject, problems[:2], 2, 30, 4_000)
    with pytest.raises(HubError, match="LIMO has 40 problems where 41"):
        published_texts.source_problems(41)


def test_a_model_without_an_sae_and_a_missing_data_set_are_named(hub):
    config = Parameters.checked(
        {"hub_names": "qwen2.5-0.5b-instruct limo mmlu-pro", "hub_items": 6}
    )
    with pytest.raises(HubError, match=r"qwen2\.5-0\.5b-instruct is named in hub_names without an"):
        list(published.measured(config))
    with pytest.raises(HubError, match="hub_names lacks limo"):
        published.read_texts(config, {"mmlu-pro": None})


def test_a_fine_tuning_that_does_not_fit_is_refused_before_it_begins(subject, monkeypatch):
    published.check_memory(subject)
    monkeypatch.setattr(published, "free_bytes", lambda device: 1_000)
    with pytest.raises(HubError, match="four GPUs"):
        published.check_memory(subject)


def _evidence(seed: int) -> Evidence:
    """Made-up measurements in which the score of the first latents follows the change."""
    rng = np.random.default_rng(seed)
    size, keys = np.linspace(0.1, 0.9, 14), [(31, SPARSE), (31, DENSE), (31, "raw")]
    held: Arrays = {"length/skill": rng.random(14), "similarity/skill/math": rng.random(14)}
    for layer, name in keys:
        profile = rng.random((14, WIDTH)) * 0.02
        profile[:, :N] += size[:, None]
        change = rng.random(WIDTH) + 5 * (np.arange(WIDTH) < N)
        for quantity in ("act", "ICL", "squared"):
            held[f"profile/skill/{layer}/{name}/{quantity}"] = profile
        for pairing in ("aligned", "unaligned", "second_moment", "variance"):
            own = change if pairing in ("aligned", "variance") else rng.permutation(change)
            held[f"change/skill/math/{layer}/{name}/{pairing}"] = own
    cells = [(Cell("skill", FAMILY, "math", 0, "before"), _bits(rng.random(14) * 0.05))]
    for at in range(3):
        shifts = {f"shift/{la}/{n}": held[f"change/skill/math/{la}/{n}/aligned"] for la, n in keys}
        cells.append((Cell("skill", FAMILY, "math", at), _bits(size + at / 100) | shifts))
    made = tables(cells, [(FAMILY, held)], dtype=np.float32)
    return Evidence(made, Parameters.checked({"n_resamples": 60}), FAMILY, (31, SPARSE), N)


def _bits(lost: np.ndarray) -> Arrays:
    return {f"bits/{d}": np.arange(200) >= 200 * x for d, x in zip(DOMAINS, lost, strict=True)}


def test_rows_are_those_that_wait_for_the_hub_and_fit_the_ledger():
    rows = published_rows.published_rows([_evidence(0), _evidence(1)])
    ledger = load_ledger("zhang2026")
    assert set(rows) == {
        claim.id for claim in ledger.claims if getattr(claim.paper, "pending", "") == "hub"
    }
    results = Results.start("zhang2026", "paper", 0, Parameters.checked({"tier": "paper"}))
    for claim, row in rows.items():
        results.record(claim, "paper", **row)
    assert str(results.verdict("C4", "paper").verdict) == "reproduced"
    assert rows["C2"]["estimate"]["overlap"] == N
    assert rows["C16"]["estimate"] < -0.9


def test_the_worst_model_counts_part_by_part():
    good = {
        "a": {"estimate": 0.9, "low": 0.8, "high": 1.0},
        "b": {"estimate": 0.1, "low": 0, "high": 0.2},
    }
    bad = {
        "a": {"estimate": 0.2, "low": 0.1, "high": 0.3},
        "b": {"estimate": 0.5, "low": 0.4, "high": 0.6},
    }
    row = published_rows._row({"x": good, "y": bad}, 5)
    assert row["estimate"] == {"a": 0.2, "b": 0.1} and set(row["detail"]) == {"x", "y"}
    with pytest.raises(ValueError, match="no model"):
        published_rows.published_rows([])
