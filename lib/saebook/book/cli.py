"""`python -m saebook.book build|check|serve|readme`."""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
from pathlib import Path

from saebook.book.errors import BookError
from saebook.claims import LedgerError
from saebook.run.errors import RunError
from saebook.run.project import Project, in_ci


def main(words: list[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 with a message when not."""
    options = _parser().parse_args(words)
    try:
        options.command(Project.find(options.root), options)
    except (BookError, LedgerError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="saebook.book", description="Build and check the pages.")
    parser.add_argument("--root", type=Path, help="the project's folder (default: this checkout)")
    commands = parser.add_subparsers(required=True, metavar="command")
    build = commands.add_parser("build", help="build the pages unless nothing changed")
    build.add_argument("--force", action="store_true", help="build though nothing changed")
    build.set_defaults(command=_build)
    check = commands.add_parser("check", help="check the built pages once more")
    check.set_defaults(command=_check)
    readme = commands.add_parser("readme", help="bring the README's scoreboard up to date")
    readme.add_argument("--check", action="store_true", help="only say whether it is")
    readme.set_defaults(command=_readme)
    serve = commands.add_parser("serve", help="show the book in a browser on this machine")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(command=_serve)
    return parser


def _build(project: Project, options: argparse.Namespace) -> None:
    from saebook.book.build import build, html_folder

    reason = build(project, force=options.force)
    if not in_ci():
        _readme(project, argparse.Namespace(check=False))
    told = "nothing changed" if reason is None else f"built ({reason})"
    print(f"the book: {told}; open {html_folder(project) / 'index.html'}")


def _check(project: Project, options: argparse.Namespace) -> None:
    from saebook.book.build import check

    print(f"{check(project)} pages are in order")


def _readme(project: Project, options: argparse.Namespace) -> None:
    from saebook.book.scoreboard import update_readme

    changed = update_readme(project.root, options.check)
    if changed:
        print("README.md: the scoreboard was brought up to date")


def _serve(project: Project, options: argparse.Namespace) -> None:
    from saebook.book.build import html_folder

    if not (html_folder(project) / "index.html").is_file():
        raise BookError("no book is built yet: make book")
    folder = str(html_folder(project))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    except OSError as error:
        raise BookError(
            f"port {options.port}: {error.strerror}; choose another with --port"
        ) from None
    with server:
        print(f"the book is at http://127.0.0.1:{options.port}/ (stop with Ctrl-C)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
