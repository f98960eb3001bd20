"""Arms, tokens and small formulas of the chapter, each against something that can be counted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from saebook.corpora import token_batches
from saebook.papers.li2025 import arms, gradients
from saebook.papers.li2025.clarity import RARE, rubric_grades
from saebook.papers.li2025.parameters import Parameters
from saebook.papers.li2025.steering import asked, token_latent
from saebook.papers.li2025.tokens import (
    CLASSES,
    constant_prefix,
    special_ids,
    token_table,
    written_by_template,
)
from saebook.subjects import Subject
from saebook.testbed import load_world
from saebook.testbed.tokenizers import build_tokenizer

FAMILIES = ("qwen2", "llama", "gemma2")


def reader(family: str) -> Subject:
    """A subject that tokenizes as the house models do, without their weights."""
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=512))
    tokenizer = build_tokenizer(load_world(), family)
    return Subject(f"{family}-reader", family, model, tokenizer)  # type: ignore[arg-type]


def test_the_grid_has_three_arms_two_architectures_and_every_seed():
    config = Parameters(other_layer=1, wide_d_sae=768, n_seeds=3)
    cells = arms.grid(config)
    assert len(cells) == len(set(cells)) == 3 * 2 * 2 * 2 * 3 * 3
    assert {cell.arm for cell in cells} == set(arms.PAPER_ARMS)
    small = config.model_copy(update={"other_layer": 3, "wide_d_sae": 384})
    assert len(arms.grid(small)) == len(cells) / 4


def test_the_paper_s_arms_differ_in_text_packing_and_length_alone():
    config = Parameters()
    specs = {a: arms.spec_of(arms.default_cell(config, "standard", a), config) for a in arms.ARMS}
    chats, fast = specs["BT(F)"].model_dump(), specs["FAST"].model_dump()
    assert {k for k in chats if chats[k] != fast[k]} == {"packing"}
    pile = specs["BT(P)"].model_dump()
    assert {k for k in pile if pile[k] != chats[k]} == {"corpus"}
    assert {spec.subject for name, spec in specs.items() if name != "base SAE"} == {
        "gemma2-instruct+sink8"
    }
    assert specs["FAST cut"].context == config.cut and specs["masked"].packing == "masked"
    with pytest.raises(ValueError, match="unknown arm 'BT'"):
        arms.spec_of(arms.default_cell(config, "standard", "BT"), config)


def test_the_grid_is_trained_short_and_the_default_cell_long():
    config = Parameters()
    short, long = arms.grid_cell(config, "FAST"), arms.default_cell(config, "standard", "FAST")
    assert short in arms.grid(config) and long in arms.headline_cells(config)
    budgets = [(s.n_tokens, s.epochs) for s in (arms.spec_of(c, config) for c in (short, long))]
    assert budgets == [(config.grid_n_tokens, 1), (config.n_tokens, config.epochs)]


@pytest.mark.parametrize(
    "families", ["qwen2", "llama,gemma2", "qwen2,llama", "qwen2,llama,gemma2,gpt2", "qwen2 llama"]
)
def test_families_that_the_claims_cannot_do_without_are_asked_for(families):
    with pytest.raises(ValueError):
        Parameters(families=families)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_token_of_a_dialogue_is_of_one_class(family):
    subject = reader(family)
    texts = load_world().sample("chats", 12, 3, family=family)
    batches = token_batches(subject, texts, 512, "single")
    table = token_table(subject, texts, written_by_template(texts), batches)
    held = torch.stack([table.classes[name] for name in CLASSES])
    assert (held.sum(0) == 1).all()
    assert table.classes["position 0"].sum() == len(texts)
    rows = subject.encode([text.text for text in texts])
    prefix = constant_prefix(rows)
    assert all(row[:prefix] == rows[0][:prefix] for row in rows)
    assert len({row[prefix] for row in rows}) > 1
    assert table.classes["constant prefix"].sum() == (prefix - 1) * len(texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_are_counted_by_id_and_in_the_template(family):
    subject = reader(family)
    texts = load_world().sample("chats", 12, 3, family=family)
    batches = token_batches(subject, texts, 512, "single")
    table = token_table(subject, texts, written_by_template(texts), batches)
    ids = special_ids(subject)
    counted = sum(i in ids for row in subject.encode([t.text for t in texts]) for i in row)
    assert table.special.sum() == counted
    assert not (table.special_in_template & ~table.special).any()
    bos = 0 if subject.bos_id is None else len(texts)
    assert table.special_with_bos.sum() == counted + bos
    # The header's own "assistant" has the role word's id, where that is a role word.
    # Gemma 2 calls the speaker "model", a word that no header holds.
    more = int(table.special.sum() - table.special_in_template.sum())
    assert more >= len(texts) if family != "gemma2" else more == 0


def test_a_single_dialogue_has_no_constant_prefix():
    with pytest.raises(ValueError, match="at least two"):
        constant_prefix([[1, 2, 3]])


def test_a_prompt_ends_where_the_assistant_is_to_speak():
    for text in load_world().sample("chats", 6, 3, family="qwen2"):
        item = asked(text)
        assert item.prompt.endswith("<|im_start|> assistant")
        assert item.answer.endswith("<|im_end|>")
        assert f"{item.prompt} {item.answer}" == text.text


def test_the_latent_of_a_token_has_the_largest_average_peak():
    codes = torch.tensor([[1.0, 0.0], [0.0, 3.0], [5.0, 0.0], [0.0, 2.5]])
    dialogue = torch.tensor([0, 0, 1, 1])
    assert token_latent(codes, dialogue, torch.tensor([True] * 4)) == 0  # peaks (1, 5) and (3, 2.5)
    assert token_latent(codes, dialogue, torch.tensor([False, True, False, True])) == 1


def test_gradient_signal_is_squared_mean_over_variance():
    grads = [torch.tensor([1.0, 0.0, 7.0]), torch.tensor([3.0, 0.0, 7.0])]
    assert gradients.gradient_signal(grads) == pytest.approx(2.0**2 / 2.0)
    with pytest.raises(ValueError, match="at least two"):
        gradients.gradient_signal(grads[:1])
    with pytest.raises(ValueError, match="varies"):
        gradients.gradient_signal([grads[0], grads[0]])


def test_the_loss_s_gradient_equals_a_finite_difference():
    generator = torch.Generator().manual_seed(0)
    d, m = 3, 5
    weights = {
        "W_enc": torch.randn(d, m, generator=generator).double(),
        "b_enc": torch.randn(m, generator=generator).double(),
        "W_dec": torch.randn(m, d, generator=generator).double(),
        "b_dec": torch.randn(d, generator=generator).double(),
    }
    x = torch.randn(7, d, generator=generator).double()

    def loss(w):
        acts = torch.relu(x @ w["W_enc"] + w["b_enc"])
        error = (x - acts @ w["W_dec"] - w["b_dec"]).square().sum(-1).mean()
        return error + 0.3 * (acts * w["W_dec"].norm(dim=-1)).sum(-1).mean()

    step = 1e-6
    moved = {k: v.clone() for k, v in weights.items()}
    moved["b_dec"][1] += step
    slope = float((loss(moved) - loss(weights)) / step)
    assert float(gradients.loss_gradient(weights, x, 0.3)[-2]) == pytest.approx(slope, rel=1e-3)


def test_the_rubric_counts_the_rare_concept_that_five_contexts_share():
    n, per = 10, 4
    dialogue = torch.arange(n).repeat_interleave(per)
    labels = torch.zeros(n * per, 2, dtype=torch.bool)
    labels[::per][:4, 0] = True  # concept 0 holds at the first token of four dialogues
    labels[:, 1] = True  # too common to explain anything
    assert labels[:, 0].float().mean() <= RARE
    codes = torch.zeros(n * per, 3)
    codes[::per, 0] = torch.arange(n, 0, -1.0)  # strongest in dialogues 0 to 4
    codes[1::per, 1] = 1.0
    codes[0, 2] = 1.0
    grades = rubric_grades(codes, labels, dialogue)
    assert grades[0] == 4 and grades[1] == 1 and grades[2] != grades[2]
