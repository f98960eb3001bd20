"""The fine-tunings behind two chapters, in equal shares; what is on record is not run again.

    snakemake finetunings --profile profiles/slurm --config paper=zhang2026 shares=16
    snakemake finetunings --profile profiles/local --config paper=yang2024 shares=2

Every fine-tuning is kept in the cache folder (SAEBOOK_CACHE) when it is done. Afterwards
`make full NB=<paper>` finds all of them there and writes the records.
"""

GRIDS = {
    "zhang2026": "python -m saebook.papers.zhang2026.grid",
    "yang2024": "python -m saebook.papers.yang2024 grid all",
}
SHARES = int(config.get("shares", 2))


def shares(wildcards):
    """Marks of the paper's shares."""
    paper = config.get("paper", "zhang2026")
    if paper not in GRIDS:
        raise ValueError(f"no grid of fine-tunings for {paper!r}; there are {', '.join(GRIDS)}")
    return [f"build/finetunings/{paper}-{i}-of-{SHARES}.done" for i in range(1, SHARES + 1)]


rule finetunings:
    input:
        shares,


rule share:
    output:
        touch("build/finetunings/{paper}-{i}-of-{n}.done"),
    params:
        grid=lambda wildcards: GRIDS[wildcards.paper],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
    shell:
        "{params.grid} --shard {wildcards.i}/{wildcards.n}"
