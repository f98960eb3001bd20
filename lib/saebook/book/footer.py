"""A Sphinx extension: each page ends with a line on how and from what it was made."""

from __future__ import annotations

import datetime
import html
import json
import time
from pathlib import Path
from typing import Any

from saebook.claims.provenance import peak_memory_mb, processor, versions

SETTING = "saebook_provenance"
_CORE = ("saebook", "python")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx; `saebook_provenance` names a JSON file beside the configuration."""
    started = time.monotonic()
    app.add_config_value(SETTING, "", "env")

    def add(app: Any, pagename: str, template: str, context: dict[str, Any], tree: Any) -> None:
        if tree is not None and "body" in context:
            told = json.loads((Path(app.confdir) / app.config[SETTING]).read_text("utf-8"))
            context["body"] += block(pagename, told, time.monotonic() - started)

    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def block(page: str, told: dict[str, Any], seconds: float) -> str:
    """The closing block of one page, as HTML.

    Args:
        page: Page name such as `notebooks/00_testbed`.
        told: `chapters` (provenance by page), `built`, `versions` and `threads` of the build.
        seconds: Since the page builder started.
    """
    chapter = told["chapters"].get(page)
    facts = dict(chapter) if chapter else _of_page(told, seconds)
    summary = "This page comes from a run" if chapter else "This page was built from text and data"
    rows = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>"
        for key, value in facts.items()
    )
    lead = f"{summary}, {html.escape(str(facts['made']))}"
    return f'<details class="provenance"><summary>{lead}</summary><dl>{rows}</dl></details>\n'


def _of_page(told: dict[str, Any], seconds: float) -> dict[str, str]:
    memory = peak_memory_mb()
    core = {name: version for name, version in versions().items() if name in _CORE}
    return {
        "made": told["built"],
        "took": f"written {seconds:.0f} s into the build; no model was run for it",
        "peak memory": f"{memory:.0f} MB so far in the build" if memory else "not recorded",
        "processor": processor(),
        "threads": told["threads"],
        "versions": ", ".join(f"{n} {v}" for n, v in {**core, **told["versions"]}.items()),
    }


def now() -> str:
    """This minute in words, as pages show it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
