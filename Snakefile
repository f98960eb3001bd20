"""What depends on what: chapters and the book; grids of SAEs and of fine-tunings.

Whether a chapter has to run is decided by content, in saebook.run.freshness: a stale chapter loses
its seal here, and Snakemake makes the seals that are missing. `snakemake --executor slurm` spreads
the same graph over a cluster, `--config tier=full` at another tier.
"""

from pathlib import Path

from saebook.run import Project, Request
from saebook.run.freshness import unseal_stale

TIER = config.get("tier", "testbed")
PROJECT = Project.find(Path(workflow.basedir))
REQUESTS = [Request(PROJECT, chapter, TIER) for chapter in PROJECT.chapters()]
SEALS = [str(request.seal.relative_to(PROJECT.root)) for request in REQUESTS]

if workflow.is_main_process:
    for request in REQUESTS:
        unseal_stale(request)


rule book:
    input:
        SEALS,
    shell:
        "python -m saebook.book build"


rule chapters:
    input:
        SEALS,


rule chapter:
    output:
        f"build/results/{TIER}/{{slug}}.key.json",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=720 if TIER == "full" else 30,
    shell:
        "python -m saebook.run chapter --nb {wildcards.slug} --tier {TIER}"


include: "workflow/saes.smk"
include: "workflow/finetunings.smk"
