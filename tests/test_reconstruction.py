"""Every measure against a slow transcription of its formula, and against what it must not be."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from tiny import N_LAYERS, WORDS

from saebook.corpora import token_batches
from saebook.reconstruction import (
    EXPLAINED_VARIANCES,
    best_direction_f1_by_concept,
    best_latent_f1_by_concept,
    cosine,
    dead_fraction,
    explained_variances,
    fvu_mean_of_ratios,
    fvu_mean_over_dimensions,
    fvu_pooled,
    fvu_variance_of_residual,
    fvu_within_token,
    l0,
    loss_recovered_mean_ablation,
    loss_recovered_zero_ablation,
    matched_latents,
    next_token_nll,
    nmse_uncentered,
)

N, D = 23, 5


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(N, D, generator=generator) * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]) + 2
    return x, 0.8 * x + 0.3 * torch.randn(N, D, generator=generator) + 0.2


def _sums(x, recon):
    """Squared errors and squared deviations from the mean, [token][dimension], in plain Python."""
    x, recon = x.double().tolist(), recon.double().tolist()
    mean = [sum(row[d] for row in x) / N for d in range(D)]
    error = [[(x[i][d] - recon[i][d]) ** 2 for d in range(D)] for i in range(N)]
    spread = [[(x[i][d] - mean[d]) ** 2 for d in range(D)] for i in range(N)]
    return x, recon, error, spread


def _total(table):
    return sum(sum(row) for row in table)


def test_fvu_pooled_follows_its_formula(pair):
    _, _, error, spread = _sums(*pair)
    assert fvu_pooled(*pair) == pytest.approx(_total(error) / _total(spread))


def test_fvu_mean_of_ratios_follows_its_formula(pair):
    _, _, error, spread = _sums(*pair)
    slow = sum(sum(e) / sum(s) for e, s in zip(error, spread, strict=True)) / N
    assert fvu_mean_of_ratios(*pair) == pytest.approx(slow)


def test_nmse_uncentered_follows_its_formula(pair):
    x, _, error, _ = _sums(*pair)
    assert nmse_uncentered(*pair) == pytest.approx(
        _total(error) / _total([[v * v for v in r] for r in x])
    )


def test_fvu_variance_of_residual_follows_its_formula(pair):
    x, recon, _, spread = _sums(*pair)
    residual = [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(x, recon, strict=True)]
    mean = [sum(row[d] for row in residual) / N for d in range(D)]
    slow = _total([[(row[d] - mean[d]) ** 2 for d in range(D)] for row in residual])
    assert fvu_variance_of_residual(*pair) == pytest.approx(slow / _total(spread))


def test_fvu_mean_over_dimensions_follows_its_formula(pair):
    _, _, error, spread = _sums(*pair)
    ratios = [sum(r[d] for r in error) / sum(r[d] for r in spread) for d in range(D)]
    assert fvu_mean_over_dimensions(*pair) == pytest.approx(sum(ratios) / D)


def test_fvu_within_token_follows_its_formula(pair):
    x, _, error, _ = _sums(*pair)
    spread = [[(v - sum(row) / D) ** 2 for v in row] for row in x]
    assert fvu_within_token(*pair) == pytest.approx(_total(error) / _total(spread))


def test_cosine_follows_its_formula(pair):
    x, recon, _, _ = _sums(*pair)
    norm = [math.sqrt(sum(v * v for v in row)) for row in (*x, *recon)]
    dots = [sum(a * b for a, b in zip(p, q, strict=True)) for p, q in zip(x, recon, strict=True)]
    slow = sum(dot / (norm[i] * norm[N + i]) for i, dot in enumerate(dots)) / N
    assert cosine(*pair) == pytest.approx(slow)


def test_the_six_explained_variances_are_six_different_numbers(pair):
    values = explained_variances(*pair)
    assert len(values) == len({round(v, 6) for v in values.values()}) == 6
    assert values["1 - fvu_pooled"] == pytest.approx(1 - fvu_pooled(*pair))


def test_a_perfect_reconstruction_explains_everything_by_every_formula(pair):
    x, _ = pair
    assert set(explained_variances(x, x.clone()).values()) == {1.0}


def test_predicting_the_mean_explains_nothing_when_centred_but_much_when_not(pair):
    x, _ = pair
    mean = x.mean(0).expand_as(x)
    assert fvu_pooled(x, mean) == pytest.approx(1, abs=1e-6)
    assert nmse_uncentered(x, mean) < 0.9


def test_a_constant_bias_costs_nothing_only_in_the_residual_variance(pair):
    x, _ = pair
    assert fvu_variance_of_residual(x, x + 3) == pytest.approx(0, abs=1e-12)
    assert fvu_pooled(x, x + 3) > 0.1


def test_sae_lens_agrees_on_pooled_and_on_mean_of_ratios(pair):
    """sae-lens's training log as second oracle, for the two formulas it reports."""
    from sae_lens.saes.sae import TrainStepOutput

    from saebook.zoo import SAESpec
    from saebook.zoo.recipes import recipe_of
    from saebook.zoo.train import _trainer, build_training_sae

    x, recon = pair
    spec = SAESpec(d_sae=2 * D, sparsity=2, n_tokens=64)
    trainer = _trainer(spec, recipe_of(spec), build_training_sae(spec, D), iter(()), "cpu")
    output = TrainStepOutput(
        sae_in=x, sae_out=recon, feature_acts=torch.ones(N, 10), hidden_pre=torch.ones(N, 10),
        loss=torch.tensor(0.0), losses={},
    )  # fmt: skip
    logged = trainer.build_train_step_log_dict(output, 0)
    assert logged["metrics/explained_variance"] == pytest.approx(1 - fvu_pooled(x, recon), abs=1e-5)
    legacy = logged["metrics/explained_variance_legacy"]
    assert legacy == pytest.approx(1 - fvu_mean_of_ratios(x, recon), abs=1e-5)


@pytest.mark.parametrize("metric", [*EXPLAINED_VARIANCES.values(), cosine])
def test_shapes_that_disagree_and_single_tokens_are_refused(metric):
    with pytest.raises(ValueError, match="must share one shape"):
        metric(torch.ones(3, 4), torch.ones(3, 5))
    with pytest.raises(ValueError, match="at least two"):
        metric(torch.ones(1, 4), torch.ones(1, 4))


@pytest.mark.parametrize("metric", [fvu_pooled, fvu_mean_of_ratios, fvu_mean_over_dimensions])
def test_activations_that_do_not_vary_are_refused(metric):
    with pytest.raises(ValueError, match=r"not vary|mean activation"):
        metric(torch.ones(3, 4), torch.zeros(3, 4))


def test_l0_and_dead_fraction_count():
    codes = torch.tensor([[1.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 3.0, 0.0]])
    assert l0(codes) == pytest.approx(4 / 3)
    assert dead_fraction(codes, window_tokens=2) == 0.5
    assert dead_fraction(codes, window_tokens=3) == 0.25
    with pytest.raises(ValueError, match="window of 4 tokens, but 3"):
        dead_fraction(codes, window_tokens=4)


# concepts


def _slow_best_f1(code, truth):
    best = (0.0, 0.0)
    for threshold in sorted({0.0, *code.tolist()}):
        said = code > threshold
        hits = int((said & truth).sum())
        wrong = int((said & ~truth).sum()) + int((~said & truth).sum())
        f1 = 2 * hits / (2 * hits + wrong) if hits else 0.0
        best = max(best, (f1, threshold), key=lambda pair: pair[0])
    return best[0]


def test_a_direction_detects_a_linear_concept_and_not_one_that_is_not_there():
    generator = torch.Generator().manual_seed(0)
    acts = torch.randn(2000, 8, generator=generator)
    linear = acts[:, 0] + acts[:, 1] > 1.5
    noise = torch.rand(2000, generator=generator) > 0.9
    rare = torch.zeros(2000, dtype=torch.bool)
    labels = torch.stack([linear, noise, rare], 1)
    selection = torch.arange(2000) % 2 == 0
    acts = acts + 5.0 * torch.ones(8)  # a large mean must not matter
    table = best_direction_f1_by_concept(acts, labels, ["linear", "noise", "rare"], selection)
    f1 = table.set_index("concept")["f1"]
    assert list(f1.index) == ["linear", "noise"]
    assert f1["linear"] > 0.85 and f1["noise"] < 0.4


def test_the_best_latent_is_chosen_on_one_half_and_scored_on_the_other():
    generator = torch.Generator().manual_seed(1)
    n = 120
    codes = (torch.randint(-3, 6, (n, 6), generator=generator)).clamp(min=0).float()
    labels = torch.rand(n, 2, generator=generator) < 0.4
    codes[:, 4] += 4.0 * labels[:, 1]
    selection = torch.arange(n) % 2 == 1
    table = best_latent_f1_by_concept(codes, labels, ["a", "b"], selection).set_index("concept")
    for i, name in enumerate("ab"):
        truth = labels[selection, i]
        slow = max(_slow_best_f1(codes[selection, j], truth) for j in range(6))
        row = table.loc[name]
        assert row.f1_selection == pytest.approx(slow)
        said = codes[~selection, int(row.latent)] > row.threshold
        held = labels[~selection, i]
        assert row.f1 == pytest.approx(2 * int((said & held).sum()) / int(said.sum() + held.sum()))
    assert table.loc["b", "latent"] == 4


def test_random_codes_score_no_better_than_always_saying_yes():
    generator = torch.Generator().manual_seed(2)
    codes = torch.rand(2000, 50, generator=generator)
    labels = torch.rand(2000, 1, generator=generator) < 0.1
    selection = torch.arange(2000) % 2 == 0
    table = best_latent_f1_by_concept(codes, labels, ["noise"], selection)
    assert table.f1.item() < 0.25


def test_rare_concepts_are_left_out():
    labels = torch.zeros(100, 2, dtype=torch.bool)
    labels[:, 0] = True
    labels[:5, 1] = True
    table = best_latent_f1_by_concept(
        torch.ones(100, 3), labels, ["common", "rare"], torch.arange(100) % 2 == 0
    )
    assert table.concept.tolist() == ["common"]


def test_disagreeing_shapes_and_empty_sides_are_refused():
    codes, labels = torch.ones(4, 2), torch.ones(4, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="one row a token"):
        best_latent_f1_by_concept(codes[:3], labels, ["a"], torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="1 label columns for 2"):
        best_latent_f1_by_concept(codes, labels, ["a", "b"], torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="leave some to score"):
        best_latent_f1_by_concept(codes, labels, ["a"], torch.ones(4, dtype=torch.bool))


def test_a_permuted_decoder_matches_itself_and_a_random_one_does_not():
    generator = torch.Generator().manual_seed(0)
    decoder = torch.randn(20, 12, generator=generator)
    order = torch.randperm(20, generator=generator)
    matched = matched_latents(decoder, 3 * decoder[order])
    assert order[torch.tensor(matched.other.to_numpy())].tolist() == matched.latent.tolist()
    assert matched.cosine.min() == pytest.approx(1)
    other = matched_latents(decoder, torch.randn(20, 12, generator=generator))
    assert other.cosine.mean() < 0.8


# splicing


class _Identity:
    cfg = SimpleNamespace(d_sae=8)

    def encode(self, x):
        return x

    def decode(self, x):
        return x


class _Noise(_Identity):
    def decode(self, x):
        return x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def batches(tiny):
    texts = [" ".join(WORDS[i : i + 9]) for i in range(0, 24, 3)]
    return token_batches(tiny, texts, context=12, packing="single", batch_size=4)


@pytest.fixture(scope="module", params=["gemma2", "llama", "qwen2"])
def tiny(request):
    from tiny import tiny_subject

    return tiny_subject(request.param)


def _slow_nll(subject, batches, layer=None, change=None):
    """One sequence at a time, with a plain torch hook."""
    losses = []
    for batch in batches:
        for row, mask, bos in zip(batch.ids, batch.mask, batch.bos, strict=True):
            ids, skip = row[mask][None], bos[mask]

            def hook(module, args, output, skip=skip):
                resid = output[0] if isinstance(output, tuple) else output
                new = torch.where(skip[None, :, None], resid, change(resid))
                return (new, *output[1:]) if isinstance(output, tuple) else new

            handle = None if layer is None else subject.block(layer).register_forward_hook(hook)
            with torch.no_grad():
                logprobs = subject.model(input_ids=ids).logits.log_softmax(-1)
            if handle is not None:
                handle.remove()
            losses += [-float(logprobs[0, t, ids[0, t + 1]]) for t in range(ids.shape[1] - 1)]
    return sum(losses) / len(losses)


def test_the_loss_agrees_with_a_plain_loop_over_sequences(tiny, batches):
    assert next_token_nll(tiny, batches) == pytest.approx(_slow_nll(tiny, batches), abs=1e-5)


def test_a_spliced_loss_agrees_with_a_plain_torch_hook(tiny, batches):
    fast = next_token_nll(tiny, batches, 1, lambda x: 0.5 * x + 1)
    assert fast == pytest.approx(_slow_nll(tiny, batches, 1, lambda x: 0.5 * x + 1), abs=1e-5)
    assert fast != pytest.approx(next_token_nll(tiny, batches), abs=1e-4)


def test_a_perfect_sae_recovers_all_and_the_ablation_itself_nothing(monkeypatch):
    from tiny import tiny_subject

    from saebook.reconstruction import splice

    subject = tiny_subject("llama")
    losses = {"model": 2.0, "zero": 5.0}

    def nll(subject, batches, layer=None, replace=None):
        if replace is None:
            return losses["model"]
        changed = replace(torch.ones(2, 3))
        return (
            losses["zero"] if not changed.any() else losses["model"] + 3 - float(changed.mean()) * 3
        )

    monkeypatch.setattr(splice, "next_token_nll", nll)
    recovered = loss_recovered_zero_ablation(subject, [], 1, _Identity())
    assert recovered == 1.0
    half = SimpleNamespace(cfg=_Identity.cfg, encode=lambda x: x, decode=lambda x: 0.5 * x)
    assert loss_recovered_zero_ablation(subject, [], 1, half) == pytest.approx(0.5)
    nothing = SimpleNamespace(cfg=_Identity.cfg, encode=lambda x: x, decode=torch.zeros_like)
    assert loss_recovered_zero_ablation(subject, [], 1, nothing) == 0.0


@pytest.mark.parametrize("metric", [loss_recovered_zero_ablation, loss_recovered_mean_ablation])
def test_loss_recovered_follows_its_formula_or_says_why_it_cannot(tiny, batches, metric):
    layer = N_LAYERS - 1
    acts = []
    next_token_nll(tiny, batches, layer, lambda x: acts.append(x) or x)
    mean = torch.cat(acts).mean(0)
    ablate = (
        torch.zeros_like if metric is loss_recovered_zero_ablation else lambda x: mean.expand_as(x)
    )
    base = _slow_nll(tiny, batches)
    ablated = _slow_nll(tiny, batches, layer, ablate)
    if ablated <= base:
        with pytest.raises(ValueError, match="does not raise the loss"):
            metric(tiny, batches, layer, _Noise())
        return
    spliced = next_token_nll(tiny, batches, layer, _Noise().decode)
    slow = (ablated - spliced) / (ablated - base)
    assert metric(tiny, batches, layer, _Noise()) == pytest.approx(slow, abs=2e-3)
    assert metric(tiny, batches, layer, _Identity()) == pytest.approx(1, abs=1e-4)


def test_a_layer_without_its_replacement_is_refused(tiny, batches):
    with pytest.raises(ValueError, match="together, or neither"):
        next_token_nll(tiny, batches, layer=1)
