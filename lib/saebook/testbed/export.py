"""Write the world's texts with their ground truth as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from saebook.testbed.registers import WRITERS
from saebook.testbed.world import WORLD_VERSION, load_world


def export_jsonl(register: str, n: int, seed: int, path: Path) -> None:
    """Write `n` texts of one register, one JSON object a line: text, words, concepts, nats.

    Raises:
        ValueError: For an unknown register or n < 1.
    """
    texts = load_world().sample(register, n, seed)
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as lines:
        for index, text in enumerate(texts):
            row = {
                "world_version": WORLD_VERSION, "register": register, "seed": seed, "index": index,
                "text": text.text, "words": text.words,
                "concepts": [sorted(held) for held in text.concepts], "nats": text.nats,
            }  # fmt: skip
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Export texts: `python -m saebook.testbed.export problems --n 100 --out problems.jsonl`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("register", choices=list(WRITERS))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        export_jsonl(options.register, options.n, options.seed, options.out)
    except (ValueError, OSError) as error:
        sys.exit(f"export failed: {error}")


if __name__ == "__main__":
    main()
