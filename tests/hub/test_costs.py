"""Costs at paper scale follow from sizes, and the same counting fits what was measured here."""

from __future__ import annotations

import json

import pytest

from saebook.book.cost import catalogue_tables, colab_table, cost_tables
from saebook.hub import subject_entry
from saebook.hub.costs import (
    CHAPTERS,
    COLAB,
    MACHINES,
    Finetuning,
    Reading,
    SAETraining,
    chapter_costs,
    colab_costs,
)
from saebook.hub.costs.chapters import OVERHEAD
from saebook.hub.costs.colab import colab_tier
from saebook.hub.costs.machines import Machine
from saebook.hub.costs.steps import forward_operations, sae_step_operations
from saebook.hub.sizes import n_parameters
from saebook.paths import PACKAGE, checkout_root, tiers_dir

A100 = MACHINES["A100 80 GB"]
FREE = MACHINES["T4 (free Colab)"]


@pytest.fixture(scope="module")
def bench() -> dict:
    """The committed benchmark."""
    root = checkout_root()
    assert root is not None
    return json.loads((root / "book" / "results" / "bench.json").read_text())


def test_the_overhead_of_sae_training_is_the_one_the_testbed_shows(bench):
    grid, rate = bench["grid"], bench["trainer"]["matmul_tokens_per_second"]
    activations = grid["sae_activations_per_second"] * grid["one_stream_seconds"]
    counted = activations / rate / A100.reached
    assert grid["one_stream_seconds"] / counted == pytest.approx(OVERHEAD, rel=0.15)


def test_the_share_of_the_peak_lies_within_what_the_trainers_reach_here(bench):
    shares = [row["share_of_matmul"] for row in bench["trainer"]["architectures"]]
    assert min(shares) <= A100.reached <= max(shares)


def test_the_page_says_the_assumptions_that_are_counted_with():
    page = (checkout_root() or PACKAGE).joinpath("book", "cost.md").read_text(encoding="utf-8")
    assert f"{100 * A100.reached:.0f} % of its data sheet" in page
    assert f"at least {1000 * A100.step_seconds:.0f} milliseconds" in page
    assert f"The factor by which it does, {OVERHEAD}, is" in page


def test_the_counted_time_of_training_a_house_model_is_near_the_measured_one(bench):
    from saebook.testbed.house import CONTEXT, D_MODEL, N_LAYERS
    from saebook.zoo import SAESpec

    card = json.loads((PACKAGE / "testbed" / "models" / "llama-base" / "card.json").read_text())
    rate = bench["trainer"]["matmul_tokens_per_second"]
    peak = rate * sae_step_operations(D_MODEL, SAESpec().d_sae, 1)
    house = subject_entry("llama-3-8b").model_copy(
        update={
            "n_layers": N_LAYERS, "d_model": D_MODEL, "n_heads": 4, "n_kv_heads": 2, "d_head": 24,
            "d_mlp": 8 * (D_MODEL // 3), "vocabulary": card["vocabulary"], "tied": True,
        }
    )  # fmt: skip
    assert n_parameters(house) == card["parameters"]
    machine = Machine("this one", peak, peak, 1e10, 2**34)
    counted = Finetuning(house, card["tokens"], CONTEXT).cost(machine).seconds
    assert card["seconds"] / 4 < counted < card["seconds"] * 4


def test_published_training_hours_are_met_within_a_factor_of_three():
    stated = [
        (work.published_hours * 2, cost.hours)  # hours on two devices
        for chapter in chapter_costs(A100)
        for work, cost in chapter.lines
        if work.published_hours is not None
    ]
    assert len(stated) == 3
    assert all(1 / 3 < ours / paper < 3 for paper, ours in stated)


def test_a_token_takes_two_operations_a_weight_and_its_attention():
    entry = subject_entry("llama-3.1-8b")
    embedding = entry.vocabulary * entry.d_model
    whole = forward_operations(entry, 1, context=0)
    assert whole == 2 * (n_parameters(entry) - embedding)
    half = forward_operations(entry, 1, context=0, depth=0.5)
    assert half == 2 * 0.5 * (n_parameters(entry) - 2 * embedding)
    long = forward_operations(entry, 1, context=8192)
    assert long - whole == 2 * 32 * 4096 * 8192


def test_costs_grow_with_their_sizes():
    entry = subject_entry("gemma-2-2b")
    one = SAETraining(entry, 1, 16_384, 5e8, 2048, 0.5).cost(A100)
    many = SAETraining(entry, 30, 16_384, 5e8, 2048, 0.5).cost(A100)
    assert many.seconds < 30 * one.seconds  # one stream serves all
    assert many.disk > one.disk and many.memory == one.memory
    tiny_batches = SAETraining(entry, 1, 128, 5e8, 128, 0.5).cost(A100)
    assert tiny_batches.seconds >= 5e8 / 128 * A100.step_seconds
    adapters = Finetuning(entry, 1e6, 512, adapters=True).cost(A100)
    assert adapters.memory < Finetuning(entry, 1e6, 512).cost(A100).memory / 3


def test_what_steps_share_on_disk_counts_once():
    for chapter in chapter_costs(A100):
        assert chapter.total.disk <= sum(cost.disk for _, cost in chapter.lines)
    mayne = chapter_costs(A100)[0]
    read = Reading(subject_entry("gemma-2-2b"), 1.0).cost(A100)
    assert mayne.total.disk < sum(c.disk for _, c in mayne.lines) - read.disk


def test_every_chapter_has_its_table_on_the_page():
    page = cost_tables()
    for slug in CHAPTERS:
        assert f"## {slug}" in page and f"| `{slug}` |" in page
    assert "does not fit" in page


def test_every_colab_tier_has_a_row_and_fits_a_free_gpu():
    slugs = {path.stem for path in (tiers_dir() / "colab").glob("*.yaml")}
    assert slugs <= set(COLAB), "say what the tier's work is in saebook.hub.costs.colab"
    held = {chapter.slug: chapter.total for chapter in colab_costs(FREE)}
    assert set(held) == slugs
    for slug, total in held.items():
        assert total.memory <= FREE.memory, slug
        assert total.hours < 2, slug
        assert f"| `{slug}` |" in colab_table()


def test_a_colab_tier_s_cost_follows_its_file(monkeypatch):
    told = colab_tier("li2025")
    assert told is not None
    (before,) = (c.total.seconds for c in colab_costs(FREE) if c.slug == "li2025")
    doubled = {**told, "hub_n_tokens": 2 * told["hub_n_tokens"]}
    files = {"li2025": doubled}
    monkeypatch.setattr("saebook.hub.costs.colab.colab_tier", files.get)
    (after,) = colab_costs(FREE)
    assert before < after.total.seconds < 2 * before


def test_blocks_that_are_not_loaded_take_disk_and_no_memory():
    entry = subject_entry("llama-3.1-8b")
    whole, half = Reading(entry, 1e6).cost(FREE), Reading(entry, 1e6, blocks=16).cost(FREE)
    assert half.disk == whole.disk
    assert half.memory < 0.7 * whole.memory and half.seconds < 0.6 * whole.seconds


def test_the_page_says_what_is_gated_and_what_was_not_read():
    page = catalogue_tables()
    link = "[google/gemma-2-2b](https://huggingface.co/google/gemma-2-2b)"
    assert f"| `gemma-2-2b` | {link} | gemma\\* | yes | 9.7 GiB |" in page
    assert "datasets/GAIR/LIMO) | apache-2.0\\* | no\\* |" in page
    assert page.count("google/gemma-scope-2b-pt-res)") == 1
