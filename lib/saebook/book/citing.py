"""How to cite the book and how to start with it, from its own version and address."""

from __future__ import annotations

from pathlib import Path

from saebook import __version__
from saebook.book.config import read_yaml
from saebook.book.remote import Address

STEPS = (
    ("make book", "every chapter, then this book"),
    ("make chapter NB=mayne2024 TIER=smoke", "one notebook, small"),
    ("make test", "the test suite"),
)


def first_steps(address: Address | None) -> str:
    """The three commands, after the one that fetches the repository where it has an address."""
    width = max(len(command) for command, _ in STEPS)
    lines = [f"{command:{width}}   # {what}" for command, what in STEPS]
    name = address.url.rsplit("/", 1)[1] if address else ""
    fetch = f"git clone {address.url}.git && cd {name}\n" if address else ""
    return f"```shell\n{fetch}{chr(10).join(lines)}\n```\n"


def cite(root: Path, address: Address | None) -> str:
    """A BibTeX entry with the title, author and version the repository states."""
    config = read_yaml(root / "_config.yml")
    fields = {
        "title": f"{{{config['title']}}}",
        "author": f"{{{config['author']}}}",
        "version": __version__,
        **({"url": address.url} if address else {}),
    }
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"```bibtex\n@software{{saebook,\n{body}}}\n```\n"
