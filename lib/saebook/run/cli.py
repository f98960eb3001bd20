"""Command line: `python -m saebook.run {chapter,all,check,list,fresh,new-paper}`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from saebook.parameters import ParameterError, parameters_for
from saebook.run.chapter import Outcome, run_chapter
from saebook.run.errors import RunError
from saebook.run.freshness import why_rerun
from saebook.run.progress import duration
from saebook.run.project import SOURCE_TIER, TIERS, Project, Request
from saebook.run.publish import publish


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        return options.command(Project.find(options.root), options)
    except (RunError, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the next run goes on from here", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m saebook.run", description=__doc__)
    parser.add_argument("--root", type=Path, help="the project's folder (default: this checkout)")
    commands = parser.add_subparsers(required=True, metavar="command")

    chapter = commands.add_parser("chapter", help="run one notebook")
    chapter.add_argument("--nb", required=True, help="slug or notebook, such as mayne2024")
    chapter.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; may be given again",
    )
    chapter.add_argument("-f", type=Path, help="flat YAML file of parameters")
    chapter.add_argument("--keep", action="store_true", help="keep a rehearsal's results")
    chapter.set_defaults(command=_chapter)
    everything = commands.add_parser("all", help="run every chapter, one after the other")
    everything.set_defaults(command=_all)
    for runs in (chapter, everything):
        runs.add_argument("--force", action="store_true", help="run though nothing changed")
        runs.add_argument("--timeout", type=int, help="seconds a cell may take")

    for name, command, text in (
        ("check", _check, "check every chapter's parameters, running nothing"),
        ("list", _list, "list the chapters and whether each is fresh"),
        ("fresh", _fresh, "exit 0 when no chapter has to run"),
    ):
        commands.add_parser(name, help=text).set_defaults(command=command)
    for parts in commands.choices.values():
        parts.add_argument("--tier", choices=TIERS, default=SOURCE_TIER)

    paper = commands.add_parser("new-paper", help="lay out the files of a new chapter")
    paper.add_argument("--slug", required=True, help="author and year, such as gao2024")
    paper.set_defaults(command=_new_paper)
    return parser


def _chapter(project: Project, options: argparse.Namespace) -> int:
    from saebook.run.check import flat_yaml, from_text

    chapter = project.chapter(options.nb)
    overrides = flat_yaml(options.f) if options.f else {}
    if options.p:
        declared = parameters_for(chapter.slug)
        overrides |= {name: from_text(name, text, declared) for name, text in options.p}
    request = Request(project, chapter, options.tier, overrides)
    outcome = run_chapter(request, force=options.force, timeout=options.timeout, keep=options.keep)
    _report(request, outcome)
    return 0


def _all(project: Project, options: argparse.Namespace) -> int:
    """Every chapter is tried; the failures are told together at the end."""
    failed = []
    for chapter in project.chapters():
        request = Request(project, chapter, options.tier)
        try:
            _report(request, run_chapter(request, force=options.force, timeout=options.timeout))
        except (RunError, ParameterError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed.append(chapter.slug)
    if failed:
        raise RunError(f"failed at tier {options.tier}: {', '.join(failed)}")
    return 0


def _check(project: Project, options: argparse.Namespace) -> int:
    from saebook.run.check import checked_parameters

    faults = []
    for chapter in project.chapters():
        try:
            checked_parameters(Request(project, chapter, options.tier))
        except ParameterError as error:
            faults.append(str(error))
    print("\n".join(faults) or f"parameters of {len(project.chapters())} chapters are in order")
    return 1 if faults else 0


def _list(project: Project, options: argparse.Namespace) -> int:
    for chapter in project.chapters():
        reason = why_rerun(Request(project, chapter, options.tier))
        print(f"{chapter.slug:12} {chapter.notebook.name:44} {reason or 'fresh'}")
    return 0


def _fresh(project: Project, options: argparse.Namespace) -> int:
    requests = [Request(project, chapter, options.tier) for chapter in project.chapters()]
    stale = {request.slug: reason for request in requests if (reason := why_rerun(request))}
    for name, reason in stale.items():
        print(f"{name} has to run: {reason}")
    if stale:
        return 1
    for request in requests:
        publish(request)  # in CI an old disagreement is told every time
    return 0


def _new_paper(project: Project, options: argparse.Namespace) -> int:
    from saebook.run.scaffold import scaffold

    for path in scaffold(project, options.slug):
        print(path.relative_to(project.root))
    return 0


def _report(request: Request, outcome: Outcome) -> None:
    if outcome.reason is None:
        print(f"{outcome.slug}: fresh at tier {request.tier}")
    else:
        print(f"{outcome.slug}: ran in {duration(outcome.seconds)} ({outcome.reason})")
    if outcome.differences:
        print(f"{outcome.slug}: rows that differ from the committed results")
    for difference in outcome.differences:
        print(f"  {difference}")
