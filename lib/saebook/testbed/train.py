"""`make models`: train the house models that are missing and write them with their model cards."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import PreTrainedModel

from saebook.testbed.gates.language import word_losses
from saebook.testbed.house import (
    HOUSE_MODELS,
    HouseModel,
    HouseSpec,
    build_model,
    house_spec,
    load_house_model,
    model_folder,
)
from saebook.testbed.tokenizers import build_tokenizer
from saebook.testbed.training import (
    BASE_MIX,
    BASE_PLANS,
    INSTRUCT_PLAN,
    SHARES_SEED,
    SHARES_TOKENS,
    TrainingPlan,
    base_documents,
    chat_batches,
    packed_batches,
    target_weights,
    token_shares,
    train,
)
from saebook.testbed.world import WORLD_VERSION, World, load_world

HELD_OUT_SEED = 8000


def train_house_model(name: str, plan: TrainingPlan | None = None) -> Path:
    """Train one house model and write it to its folder, weights in float16.

    An instruct model continues from its family's shipped base model.

    Returns:
        The model's folder.

    Raises:
        ValueError: For an unknown name, or an instruct model whose base is not there.
    """
    spec, world = house_spec(name), load_world()
    plan = plan or (BASE_PLANS[spec.family] if spec.kind == "base" else INSTRUCT_PLAN)
    model, batches = _start(spec, world, plan)
    start = time.perf_counter()
    tokenizer = build_tokenizer(world, spec.family)
    documents = base_documents(world, tokenizer, SHARES_SEED)
    shares = token_shares(documents, SHARES_TOKENS, len(tokenizer))
    loss = train(model, batches, plan, spec, target_weights(tokenizer), shares)
    seconds = time.perf_counter() - start
    return write_house_model(spec, model, world, plan, {"final_loss": loss, "seconds": seconds})


def _start(spec: HouseSpec, world: World, plan: TrainingPlan) -> tuple[PreTrainedModel, Iterator]:
    tokenizer = build_tokenizer(world, spec.family)
    if spec.kind == "base":
        drills = int(plan.drill_share * plan.n_tokens)
        documents = base_documents(world, tokenizer, spec.seed, drills)
        return build_model(spec, world), packed_batches(documents, plan)
    model = load_house_model(spec.base).model
    model.requires_grad_(True)
    return model, chat_batches(world, tokenizer, spec.family, plan, spec.seed)


def held_out_losses(house: HouseModel, world: World, n: int = 40) -> dict[str, dict[str, float]]:
    """Return loss and entropy floor, nats a token, on fresh texts of the registers it read."""
    options = {"family": house.family} if house.kind == "instruct" else {}
    losses = {}
    for register in ("chats",) if house.kind == "instruct" else BASE_MIX:
        texts = world.sample(register, n, HELD_OUT_SEED, **options)
        surprise = [loss for text in texts for loss in word_losses(house, text)]
        floor = sum(sum(text.nats) for text in texts) / len(surprise)
        losses[register] = {"loss": statistics.fmean(surprise), "floor": floor}
    return losses


def write_house_model(
    spec: HouseSpec, model: PreTrainedModel, world: World, plan: TrainingPlan, run: dict[str, float]
) -> Path:
    """Write weights and card into a temporary folder and move it into place in one step."""
    target = model_folder(spec.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".writing-"))
    try:
        weights = scratch / "model.safetensors"
        state = {
            k: v.detach().half() for k, v in model.state_dict().items() if k != "lm_head.weight"
        }
        save_file(state, weights)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        card = _card(spec, model, world, plan, run, digest)
        (scratch / "card.json").write_text(
            json.dumps(card, indent=2, sort_keys=True) + "\n", "utf-8"
        )
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
        target.chmod(0o755)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    load_house_model.cache_clear()
    return target


def _card(
    spec: HouseSpec,
    model: PreTrainedModel,
    world: World,
    plan: TrainingPlan,
    run: dict[str, float],
    digest: str,
) -> dict[str, Any]:
    tokenizer = build_tokenizer(world, spec.family, chat=spec.kind == "instruct")
    house = HouseModel(spec, model, tokenizer, {}, digest)
    losses = held_out_losses(house, world)
    return {
        "name": spec.name, "family": spec.family, "kind": spec.kind, "seed": spec.seed,
        "residual_mean": spec.residual_mean, "world_version": WORLD_VERSION, "sha256": digest,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer), "tokens": plan.n_tokens, "batch_tokens": plan.batch_tokens,
        "matrix_lr": plan.matrix_lr, "lr": plan.lr, "norm_lr": plan.norm_lr,
        "d_model": spec.d_model,
        "seconds": round(run["seconds"], 1), "threads": torch.get_num_threads(),
        "final_loss": round(run["final_loss"], 4),
        "losses": {r: {k: round(v, 4) for k, v in pair.items()} for r, pair in losses.items()},
        "torch": torch.__version__, "transformers": transformers.__version__,
        "intended_use": "testing methods in a world whose truth is known; not a model of language",
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Train the named models, or all of them; those already shipped are skipped without --again."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"any of: {', '.join(HOUSE_MODELS)}")
    parser.add_argument("--again", action="store_true", help="retrain models that are there")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    for name in options.names or HOUSE_MODELS:
        if options.again or not (model_folder(name) / "card.json").exists():
            print(f"{name}: {train_house_model(name)}", flush=True)


if __name__ == "__main__":
    main()
