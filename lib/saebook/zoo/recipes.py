"""Training recipes: the numbers that decide how an SAE is trained, under a name and a version.

A recipe's numbers never change under the same name: a new number is a new name, so that no cached
SAE can be mistaken for one trained otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from saebook.zoo.spec import ARCHITECTURES, SAESpec


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters shared by the architectures; activations arrive with E||x||^2 = d_in.

    JumpReLU alone trains on E||x||^2 = 1, see `jumprelu_input_norm`.
    """

    batch_size: int = 1024
    """Tokens in a step, unless that leaves fewer than `min_steps` steps."""
    min_steps: int = 400
    """Steps below which the batch is made smaller: the controller of the L0 needs some 350."""
    min_batch_size: int = 64
    """Tokens in the smallest batch."""
    lr: float = 2e-3
    """Adam's peak learning rate."""
    warmup_share: float = 0.05
    """Share of steps in which the learning rate rises from zero."""
    decay_share: float = 0.3
    """Share of steps, at the end, in which it falls linearly to zero."""
    decoder_init_norm: float = 0.5
    """Norm of the decoder's rows at the start; the encoder starts as their transpose."""
    dead_window_steps: int = 100
    """Steps without firing after which the auxiliary loss counts a latent as dead."""
    aux_loss_coefficient: float = 1.0
    """Weight of the TopK auxiliary loss."""
    l0_anneal_share: float = 0.5
    """Share of steps in which the controlled L0 falls geometrically to its target."""
    proportional_gain: float = 0.5
    """Shift of the log-coefficient per unit of log(L0 / wanted), damping the integral's swings."""
    integral_gain: float = 0.05
    """Drift of the log-coefficient per step and unit of log(L0 / wanted)."""
    initial_coefficient: float = 1.0
    """Sparsity coefficient before the controller moves it."""
    jumprelu_input_norm: float = 1.0
    """Root mean square norm of JumpReLU's input: thresholds then lie within Adam's reach. With 0
    the input enters as it comes."""
    jumprelu_bandwidth: float = 0.1
    """Width of the straight-through kernel, in units of that input's pre-activations."""
    jumprelu_init_threshold: float = 0.1
    """Threshold at the start, same units."""
    jumprelu_initial_coefficient: float = 0.01
    """JumpReLU's own start of the controlled coefficient (its loss is d_in times smaller)."""
    decoder_norm_in_topk: bool = True
    """Whether TopK ranks pre-activations times the decoder row's norm."""
    decoder_norm_in_l1: bool = True
    """Whether the L1 penalty weighs each latent with its decoder row's norm."""
    k_anneal_share: float = 0.0
    """Share of steps in which k falls from d_in to its target (He et al. 2024: 0.1)."""
    pool_tokens: int = 0
    """Tokens mixed at a time where the text is read as it is trained on, once; 0 harvests all of
    it beforehand."""
    autocast: bool = False
    """Whether products are taken in bfloat16; weights and Adam's moments stay in float32."""
    architectures: tuple[str, ...] = ARCHITECTURES
    """Architectures for which the recipe means something."""


RECIPES: dict[str, Recipe] = {
    "2": Recipe(batch_size=256),
    "2-bfloat16": Recipe(batch_size=4096, autocast=True),
    "1": Recipe(),
    "1-k-annealed": Recipe(k_anneal_share=0.1, architectures=("topk",)),
    "1-topk-without-decoder-norm": Recipe(
        decoder_norm_in_topk=False, architectures=("topk", "batchtopk")
    ),
    "1-l1-unweighted": Recipe(decoder_norm_in_l1=False, architectures=("standard",)),
    "1-fixed-coefficient": Recipe(
        proportional_gain=0.0,
        integral_gain=0.0,
        initial_coefficient=0.8,
        jumprelu_initial_coefficient=0.002,
        architectures=("standard", "jumprelu"),
    ),
    "2-fixed-coefficient": Recipe(
        batch_size=256,
        proportional_gain=0.0,
        integral_gain=0.0,
        initial_coefficient=0.8,
        jumprelu_initial_coefficient=0.002,
        architectures=("standard", "jumprelu"),
    ),
    "1-llama-scope": Recipe(
        k_anneal_share=0.1, aux_loss_coefficient=0.0, decay_share=0.2, architectures=("topk",)
    ),
    "2-llama-scope": Recipe(
        batch_size=256,
        k_anneal_share=0.1,
        aux_loss_coefficient=0.0,
        decay_share=0.2,
        architectures=("topk",),
    ),
    "wang2025": Recipe(
        batch_size=2048,
        lr=3e-4,
        warmup_share=0.004,
        decay_share=0.2,
        l0_anneal_share=0.02,
        aux_loss_coefficient=1 / 32,
        pool_tokens=2**19,
    ),
    "li2025": Recipe(
        batch_size=128,
        lr=7e-5,
        decay_share=0.2,
        proportional_gain=0.0,
        integral_gain=0.0,
        initial_coefficient=5.0,
        jumprelu_initial_coefficient=0.01,
        jumprelu_input_norm=0.0,
        jumprelu_bandwidth=0.001,
        jumprelu_init_threshold=0.001,
        pool_tokens=2**19,
        architectures=("standard", "jumprelu", "topk"),
    ),
}
"""Recipe "1-fixed-coefficient" holds the sparsity coefficient at one value, near those that the
controller finds for an L0 of 13; the spec's sparsity then only names the SAE, and its L0 is what
comes out (Li et al. 2025 train so). "1-llama-scope" is He et al. 2024: K annealed over a tenth of
the steps, decoder norm inside the selection, no auxiliary loss, decay over the last fifth.
The recipes whose names begin with 2 take steps of 256 tokens, but for "2-bfloat16", which is made
for a card. "wang2025" is appendix A of Wang et
al. 2025 as shares of its 244,000 steps (warm-up 1,000, sparsity warm-up 5,000, decay from 80 %),
with the controller in place of the printed L1 penalties, whose activations' scale is not stated.
"li2025" is appendix C of Li et al. 2025, whose coefficients belong to raw activations: give it a
source whose factor is one. Its learning rate stays level up to the last fifth, where theirs falls
to a tenth, and its coefficients hold from the first step."""


def recipe_of(spec: SAESpec) -> Recipe:
    """Look up the recipe a spec names.

    Raises:
        ValueError: no recipe has this name, or it says nothing about the spec's architecture.
    """
    if spec.recipe not in RECIPES:
        raise ValueError(f"recipe {spec.recipe!r} is unknown; known: {', '.join(sorted(RECIPES))}")
    recipe = RECIPES[spec.recipe]
    if spec.architecture not in recipe.architectures:
        raise ValueError(
            f"recipe {spec.recipe!r} is for {', '.join(recipe.architectures)}, "
            f"not for {spec.architecture}"
        )
    return recipe
