"""Reading ledgers from disk, with errors that name the file, the claim and the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from saebook.claims.schema import Ledger
from saebook.paths import claims_dir

SLUGS = ("mayne2024", "wang2025", "li2025", "he2024", "zhang2026", "yang2024")
"""The papers, in the order of the book."""


class LedgerError(ValueError):
    """A ledger file that cannot be used."""


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key written twice, which the plain loader silently overwrites."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise LedgerError(f"line {line}: the key {key!r} is written twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_ledger(path: Path) -> Ledger:
    """Read and validate one file.

    Raises:
        LedgerError: The file is missing, is not YAML, repeats a key, or breaks the schema; the
            message lists every fault as `claim.block.field: what is wrong`.
    """
    if not path.is_file():
        raise LedgerError(f"no ledger at {path.name}; the book knows {', '.join(SLUGS)}")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
        ledger = Ledger.model_validate(data)
    except (yaml.YAMLError, LedgerError) as error:
        raise LedgerError(f"{path.name}: {error}") from error
    except ValidationError as error:
        faults = "\n".join(f"  {_place(e['loc'], data)}: {e['msg']}" for e in error.errors())
        raise LedgerError(f"{path.name} breaks the ledger's schema:\n{faults}") from error
    if ledger.slug != path.stem:
        raise LedgerError(f"{path.name} holds the claims of {ledger.slug}; rename one of the two")
    return ledger


def load_ledger(slug: str, folder: Path | None = None) -> Ledger:
    """The validated ledger of one paper.

    Args:
        slug: Paper key such as `mayne2024`.
        folder: Where the files lie; the book's own by default.

    Raises:
        LedgerError: See `read_ledger`.
    """
    return read_ledger((folder or claims_dir()) / f"{slug}.yaml")


def load_all(folder: Path | None = None) -> dict[str, Ledger]:
    """All six ledgers, in the order of the book."""
    return {slug: load_ledger(slug, folder) for slug in SLUGS}


def _place(loc: tuple[int | str, ...], data: Any) -> str:
    """`claims.3.testbed.Test.unit` as `R4.testbed.unit`."""
    parts = [str(p) for p in loc if p not in ("Test", "Unanswered")]
    if len(loc) > 1 and loc[0] == "claims" and isinstance(loc[1], int):
        claim = data["claims"][loc[1]]
        name = claim.get("id") if isinstance(claim, dict) else None
        parts[:2] = [str(name or f"claim {loc[1] + 1}")]
    return ".".join(parts) or "file"
