"""A grid of SAEs: one job harvests the activations, then one job an SAE reads them.

    snakemake saes                                    the default family's thirty SAEs
    snakemake saes --config subject=llama-base        another model's
    snakemake saes --config labels=topk-13,gated-13   some of them
    snakemake saes --config stacked=true              one job an architecture, in batched steps
    snakemake saes --profile profiles/slurm           on a cluster

All jobs share the cache folder (SAEBOOK_CACHE); on a cluster it has to lie on a shared disk.
"""

SUBJECT = config.get("subject", "gemma2-base")
LAYER = int(config.get("layer", 3))
SEED = int(config.get("seed", 0))
N_TOKENS = int(config.get("n_tokens", 200_000))
DEVICE = config.get("device", "cpu")
STACKED = str(config.get("stacked", "false")).lower() == "true"
GRID = f"build/saes/{SUBJECT}-{LAYER}-{SEED}-{N_TOKENS}"
STREAM = f"--subject {SUBJECT} --layer {LAYER} --n-tokens {N_TOKENS}"
GPUS = int(DEVICE != "cpu")


def members(wildcards):
    """Files of the grid's SAEs; torch is imported only where they are asked for."""
    from saebook.zoo import ARCHITECTURES, house_grid

    if STACKED:
        if "labels" in config:
            raise ValueError("labels picks single SAEs; leave it out with stacked=true")
        return [f"{GRID}/stacks/{architecture}.json" for architecture in ARCHITECTURES]
    held = [spec.label for spec in house_grid(SUBJECT, LAYER, SEED)]
    wanted = config["labels"].split(",") if "labels" in config else held
    unknown = [label for label in wanted if label not in held]
    if unknown:
        raise ValueError(f"the grid has no {', '.join(unknown)}; it has {', '.join(held)}")
    return [f"{GRID}/{label}.json" for label in wanted]


rule saes:
    input:
        members,


rule harvest:
    output:
        touch(f"{GRID}/harvest.done"),
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        gpu=GPUS,
    shell:
        "python -m saebook.zoo harvest {STREAM}"


rule sae:
    input:
        f"{GRID}/harvest.done",
    output:
        f"{GRID}/{{label}}.json",
    wildcard_constraints:
        label="[^/]+",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
        gpu=GPUS,
    shell:
        "python -m saebook.zoo member {STREAM} --seed {SEED} --device {DEVICE}"
        " --label {wildcards.label} --out {output}"


rule stack:
    input:
        f"{GRID}/harvest.done",
    output:
        f"{GRID}/stacks/{{architecture}}.json",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=GPUS,
    shell:
        "python -m saebook.zoo stack {STREAM} --seed {SEED} --device {DEVICE}"
        " --architecture {wildcards.architecture} --out {output}"
