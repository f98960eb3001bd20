"""Every chapter that has a hub tier runs at it, from its first cell, against stand-ins only."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.elsewhere import Elsewhere

from saebook.claims import load_ledger
from saebook.hub import HubError
from saebook.hub.entries import any_entry
from saebook.hub.named import named_entries
from saebook.hub.rehearsal.chapters import CUT, CUT_AT_PAPER, named_in, overrides
from saebook.hub.rehearsal.hub import publish_all, rehearsal
from saebook.hub.rehearsal.store import Store
from saebook.paths import CACHE_VARIABLE
from saebook.run import Request, run_chapter

ROOT = Path(__file__).parent.parent.parent
TIERS = ROOT / "notebooks" / "tiers"
PAPER = sorted(path.stem for path in (TIERS / "paper").glob("*.yaml"))
COLAB = sorted(path.stem for path in (TIERS / "colab").glob("*.yaml"))


def rehearsed(slug: str, tier: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Results of a chapter run at a hub tier against stand-ins of what the tier's file names."""
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    project = Elsewhere(ROOT, place=ROOT / "build" / f"test-{os.getpid()}-{slug}-{tier}")
    given = overrides(slug, tier, folder / "clones")
    request = Request(project, project.chapter(slug), tier, given)
    store = Store(folder / "hub")
    publish_all(store, *named_in(TIERS / tier / f"{slug}.yaml").names)
    try:
        with rehearsal(store) as variables:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            run_chapter(request)
        return json.loads((request.results / f"{slug}.json").read_text())
    finally:
        shutil.rmtree(project.build, ignore_errors=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("slug", PAPER)
def test_a_chapter_runs_at_the_paper_tier_and_rehearses_all_rows_that_wait_for_the_hub_alone(
    slug, tmp_path, monkeypatch
):
    saved = rehearsed(slug, "paper", tmp_path, monkeypatch)
    waiting = {
        claim.id
        for claim in load_ledger(slug).claims
        if claim.paper.pending in ("hub", "hub_weights")
    }
    assert waiting and set(saved["rehearsals"]) == waiting
    assert not saved["records"]["paper"] and not saved["records"]["testbed"]


@pytest.mark.slow
@pytest.mark.parametrize("slug", COLAB)
def test_a_chapter_runs_at_the_colab_tier_on_stand_ins_and_is_only_rehearsed(
    slug, tmp_path, monkeypatch
):
    saved = rehearsed(slug, "colab", tmp_path, monkeypatch)
    assert saved["rehearsals"]
    assert not saved["records"]["paper"] and not saved["records"]["testbed"]


def test_a_rehearsal_cuts_sizes_and_no_names():
    for slug, cut in (*CUT.items(), *CUT_AT_PAPER.items()):
        assert not {"hub_names", "tier", "seed"} & set(cut), slug


def test_names_are_sorted_by_kind_in_the_order_given_and_unknown_ones_refused():
    held = named_entries("pile gemma-2-2b@abc gemma-scope-2b-l14-16k mistral-7b")
    assert held.subjects == (("gemma-2-2b", "abc"), ("mistral-7b", None))
    assert held.names == (("gemma-2-2b", "mistral-7b"), ("gemma-scope-2b-l14-16k",), ("pile",))
    with pytest.raises(HubError, match="holds gemma-9, which the catalogue does not"):
        named_entries("gemma-9 pile")


def test_a_name_with_a_star_stands_for_every_layer_at_one_commit_and_in_one_repository():
    held = named_entries("pile llama-scope-l*r-8x@abc").saes
    assert held == tuple((f"llama-scope-l{i}r-8x", "abc") for i in range(32))
    assert any_entry("llama-scope-l*r-32x").repo == "fnlp/Llama3_1-8B-Base-LXR-32x"
    with pytest.raises(HubError, match="matches entries of google/gemma-scope-2b-pt-res, google"):
        named_entries("gemma-scope-*")
    with pytest.raises(HubError, match=r"holds llama-scope-\*y, which"):
        named_entries("pile llama-scope-*y")


def test_a_tier_file_that_is_missing_or_names_nothing_is_refused(tmp_path):
    with pytest.raises(HubError, match="no parameter file"):
        named_in(tmp_path / "gao2024.yaml")
    (tmp_path / "gao2024.yaml").write_text("tier: paper\nhub_names: ''\n")
    with pytest.raises(HubError, match="names nothing in hub_names"):
        named_in(tmp_path / "gao2024.yaml")
