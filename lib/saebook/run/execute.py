"""A notebook run from its first to its last cell through papermill."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from saebook.paths import RESULTS_VARIABLE
from saebook.run.clean import INJECTED, plain
from saebook.run.errors import ChapterFailed
from saebook.run.progress import Progress

KERNEL = "python3"
ENGINE = "saebook"
QUIET_KERNEL = ["--IPKernelApp.log_level=ERROR"]
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
STEADY = {
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    # One thread a job and a fixed hash seed: the numbers do not depend on how many jobs run.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


class Watch:
    """Holds the notebook under execution and passes the start of each cell on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.notebook: NotebookNode | None = None
        self.at = 0

    def begin(self, notebook: NotebookNode) -> None:
        """Execution starts."""
        self.notebook = notebook
        self.progress.begin(sum(cell.cell_type == "code" for cell in notebook.cells))

    def cell(self, index: int) -> None:
        """A cell starts."""
        self.at = index
        if self.notebook is not None and self.notebook.cells[index].cell_type == "code":
            self.progress.cell()


class WatchedEngine(NBClientEngine):
    """papermill's engine, with a watch told of every cell."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        """Run all cells; takes papermill's arguments and `watch`."""
        watch: Watch = kwargs.pop("watch")
        watch.begin(nb_man.nb)
        start = nb_man.cell_start

        def watched_start(cell: Any, cell_index: int | None = None, **more: Any) -> Any:
            watch.cell(cell_index or 0)
            return start(cell, cell_index, **more)

        nb_man.cell_start = watched_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register(ENGINE, WatchedEngine)


def executed(
    source: NotebookNode,
    parameters: Mapping[str, Any],
    *,
    name: str,
    scratch: Path,
    watch: Watch,
    offline: bool = True,
    timeout: int | None = None,
) -> NotebookNode:
    """The executed notebook.

    Args:
        source: The notebook; not changed.
        parameters: Checked values to inject; nothing is injected when empty.
        name: The chapter, for messages.
        scratch: An existing folder; the notebook runs there and saves its results in `results`.
        watch: Told of each cell.
        offline: Whether the hub is shut off.
        timeout: Seconds a cell may take; None for no limit.

    Raises:
        ChapterFailed: A cell raised, took too long, or its kernel died.
    """
    results = scratch / "results"
    results.mkdir(exist_ok=True)
    here = {RESULTS_VARIABLE: str(results), "IPYTHONDIR": str(scratch / "ipython")}
    with environment({**STEADY, **(OFFLINE if offline else {}), **here}):
        try:
            return papermill.execute_notebook(
                source,
                None,
                parameters=dict(parameters),
                engine_name=ENGINE,
                kernel_name=KERNEL,
                progress_bar=False,
                cwd=str(scratch),
                execution_timeout=timeout,
                watch=watch,
                extra_arguments=QUIET_KERNEL,
            )
        except PapermillExecutionError as error:
            text = f"{error.ename}: {error.evalue}\n" + plain("\n".join(error.traceback))
        except CellTimeoutError:
            text = f"the cell took longer than {timeout} s"
        except (DeadKernelError, RuntimeError) as error:
            text = f"the kernel died ({error}); memory may have run out"
    raise ChapterFailed(failure_text(name, watch, text))


def failure_text(name: str, watch: Watch, text: str) -> str:
    """What a failed cell shows: chapter, place, the head of its source, and the traceback."""
    cells = watch.notebook.cells if watch.notebook is not None else []
    cells = [
        cell for cell in cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    source = cells[watch.at].source.strip().splitlines() if watch.at < len(cells) else []
    head = "\n".join(f"    {line}" for line in source[:6])
    more = f"\n    … ({len(source) - 6} more lines)" if len(source) > 6 else ""
    injected = any(INJECTED in cell.metadata.get("tags", []) for cell in cells[: watch.at])
    place = f"cell {watch.at + 1 - injected} of {len(cells) - injected}"
    return f"{name} failed in {place}:\n{head}{more}\n\n{text.strip()}"


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables set for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
