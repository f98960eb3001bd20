"""Command line of the published things: ``python -m saebook.hub list|commit|rehearse``.

list      everything in the catalogue: licence, whether gated, what it takes
commit    the commit that a repository has now, to be given as its revision
rehearse  run a command against stand-ins of the things named, without a network
chapter   rehearse one chapter at the tier paper or colab: what it names, at the sizes it is cut to
pin       write the present commits into a chapter's parameter file, so that its run can be repeated
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from saebook.hub import HubError, entries
from saebook.hub.sizes import GIB, sae_bytes, weight_bytes
from saebook.paths import checkout_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m saebook.hub", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("commit").add_argument("name")
    rehearse = commands.add_parser("rehearse")
    rehearse.add_argument("names", help="names in the catalogue, separated by commas")
    rehearse.add_argument("words", nargs=argparse.REMAINDER, help="the command to run")
    chapter = commands.add_parser("chapter")
    chapter.add_argument("--keep", action="store_true", help="lay the results under book/results")
    for command in (chapter, commands.add_parser("pin")):
        command.add_argument("slug")
        command.add_argument("--tier", choices=("paper", "colab"), default="paper")
    options = parser.parse_args(arguments)
    try:
        if options.command == "rehearse":
            return rehearsed(options.names.split(","), options.words)
        if options.command == "chapter":
            return chapter_rehearsed(options.slug, options.tier, options.keep)
        lines = _lines(options)
    except HubError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _lines(options: argparse.Namespace) -> list[str]:
    """What a command that asks for something says."""
    if options.command == "pin":
        return pinned(options.slug, options.tier)
    return listed() if options.command == "list" else [commit_now(options.name)]


def listed() -> list[str]:
    """One line an entry."""
    lines = []
    for entry in entries.subjects().values():
        lines.append((entry, f"{weight_bytes(entry) / GIB:.1f} GiB in {entry.dtype}"))
    for entry in entries.saes().values():
        lines.append((entry, f"{sae_bytes(entry) / GIB:.1f} GiB in float32"))
    for entry in entries.data_sets().values():
        lines.append((entry, "streamed" if entry.streamed else "fetched whole"))
    return [
        f"{entry.name:36s} {entry.repo:45s} {size:24s} {entry.licence}"
        f"{', gated' if entry.gated else ''}"
        for entry, size in lines
    ]


def commit_now(name: str) -> str:
    """The commit that an entry's repository has now.

    Raises:
        HubError: No such entry, or the hub does not answer.
    """
    from saebook.hub.fetch import present_commit

    return present_commit(entries.any_entry(name))


def rehearsed(names: Sequence[str], words: Sequence[str]) -> int:
    """Run a command in a process that takes stand-ins for the hub; return its exit status.

    Raises:
        HubError: A name is not in the catalogue, or there is no command.
    """
    from saebook.hub.rehearsal.hub import publish_all, rehearsal
    from saebook.hub.rehearsal.store import Store

    held = (entries.subjects(), entries.saes(), entries.data_sets())
    chosen = [[name for name in names if name in one] for one in held]
    unknown = set(names) - {name for one in chosen for name in one}
    if unknown or not words:
        missing = f"no {', '.join(sorted(unknown))} in the catalogue" if unknown else "no command"
        raise HubError(f"{missing}; write: rehearse NAME,NAME COMMAND …")
    with tempfile.TemporaryDirectory(prefix="saebook-hub-") as folder:
        store = Store(Path(folder))
        publish_all(store, chosen[0], chosen[1], chosen[2])
        with rehearsal(store) as variables:
            return subprocess.run(words, env={**os.environ, **variables}, check=False).returncode


def chapter_rehearsed(slug: str, tier: str, keep: bool) -> int:
    """Run a checkout's chapter at a hub tier against stand-ins; return its exit status.

    Raises:
        HubError: The chapter has no such tier, or there is no checkout.
    """
    from saebook.hub.rehearsal.chapters import named_in, overrides

    kinds = named_in(_tier_file(slug, tier)).names
    words = [sys.executable, "-m", "saebook.run", "chapter", "--nb", slug, "--tier", tier]
    words += ["--keep"] if keep else []
    with tempfile.TemporaryDirectory(prefix="saebook-clones-") as folder:
        for name, value in overrides(slug, tier, Path(folder)).items():
            words += ["-p", name, str(value)]
        return rehearsed([name for kind in kinds for name in kind], words)


def pinned(slug: str, tier: str) -> list[str]:
    """Pin what a chapter's parameter file names; one line a commit that was added.

    Raises:
        HubError: As `pins.pin` does, or there is no checkout.
    """
    from saebook.hub.pins import pin

    added = pin(_tier_file(slug, tier))
    return [f"{name} is pinned to {commit}" for name, commit in added.items()]


def _tier_file(slug: str, tier: str) -> Path:
    root = checkout_root()
    if root is None:
        raise HubError("this needs a checkout of the project; what runs here is an installation")
    return root / "notebooks" / "tiers" / tier / f"{slug}.yaml"


if __name__ == "__main__":
    sys.exit(main())
