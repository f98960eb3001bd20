"""The chapter's figures: tidy frames in, marks on given axes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from saebook.plots import COLORS
from saebook.plots.style import needs

WORLD_STYLE = {
    "order-free": {"color": COLORS["control"], "linestyle": ":"},
    "prerequisite": {"color": COLORS["ours"], "linestyle": "-"},
    "interference": {"color": COLORS["bad"], "linestyle": "--"},
}


def gains_heat(ax: Axes, frame: pd.DataFrame, limit: float | None = None) -> Axes:
    """Draw gains over Random as cells; a gain inside the noise band is grey and in brackets.

    Args:
        ax: Axes to draw on.
        frame: Columns order, margin, gain, band (half width of the noise band).
        limit: Gain at which the colour saturates, percentage points; the largest by default.
    """
    needs(frame, ("order", "margin", "gain", "band"), "gains_heat")
    rows, columns = list(dict.fromkeys(frame["order"])), list(dict.fromkeys(frame["margin"]))
    table = frame.pivot(index="order", columns="margin", values="gain").loc[rows, columns]
    inside = frame.assign(inside=frame["gain"].abs() <= frame["band"])
    within = inside.pivot(index="order", columns="margin", values="inside").loc[rows, columns]
    values = table.to_numpy(float)
    top = limit or float(np.abs(values).max()) or 1.0
    image = ax.imshow(values, cmap="PuOr_r", vmin=-top, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        _number(ax, row, column, float(value), bool(within.iat[row, column]), top)
    ax.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="gain over Random (points)", shrink=0.85)
    return ax


def _number(ax: Axes, row: int, column: int, value: float, noise: bool, top: float) -> None:
    text = f"({value:+.1f})" if noise else f"{value:+.1f}"
    ink = "#444444" if noise else "black"
    if abs(value) > 0.7 * top:
        ink = "white"
    ax.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)


def order_strips(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw each order as two strips: category by shade of colour, and below it difficulty by grey.

    Args:
        ax: Axes to draw on.
        frame: Columns order, place, category (number), difficulty (0 to 1).
    """
    needs(frame, ("order", "place", "category", "difficulty"), "order_strips")
    names = list(dict.fromkeys(frame["order"]))
    n = int(frame["place"].max()) + 1
    for at, name in enumerate(names):
        own = frame[frame["order"] == name].sort_values("place")
        edges = np.arange(n + 1)
        top, middle, bottom = at - 0.4, at + 0.02, at + 0.36
        shades = own[["category", "difficulty"]].to_numpy(float).T[:, None]
        ax.pcolormesh(edges, [top, middle], shades[0], cmap="viridis", rasterized=True)
        ax.pcolormesh(edges, [middle, bottom], shades[1], cmap="Greys", rasterized=True)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, n), ylim=(len(names) - 0.5, -0.5), xlabel="place in the training order")
    ax.grid(False)
    return ax


def best_against_null(axes: Sequence[Axes], null: pd.DataFrame, found: pd.DataFrame) -> None:
    """Draw one panel a world: best-of-five gains among random orders, and the one found.

    Args:
        axes: As many as worlds in `null`.
        null: Columns world, gain.
        found: Columns world, gain.
    """
    for ax, (world, rows) in zip(axes, null.groupby("world", sort=False), strict=True):
        draws = rows["gain"].to_numpy(float)
        ax.hist(draws, bins=40, color=COLORS["random"], density=True, label="six random orders")
        bar = float(np.quantile(draws, 0.95))
        ax.axvline(bar, color=COLORS["paper"], linewidth=1, linestyle=":", label="95th percentile")
        own = found.loc[found["world"] == world, "gain"]
        for gain in own:
            ax.axvline(gain, color=COLORS["ours"], label="five strategies")
        ax.set_xlabel(f"average best gain, {world} (points)")
    axes[0].set_ylabel("density")
    axes[0].legend(fontsize=7)


def orders_by_run(axes: Sequence[Axes], frame: pd.DataFrame) -> None:
    """Draw one panel a world: accuracy of every run, a column an order, with the means.

    Args:
        axes: As many as worlds.
        frame: Columns world, order, seed, accuracy (percent).
    """
    needs(frame, ("world", "order", "seed", "accuracy"), "orders_by_run")
    names = list(dict.fromkeys(frame["order"]))
    for ax, (world, rows) in zip(axes, frame.groupby("world", sort=False), strict=True):
        style = {"color": COLORS["ours"], "s": 14, "alpha": 0.6}
        at = rows["order"].map(names.index).to_numpy(float)
        ax.scatter(at, rows["accuracy"], **style)
        means = rows.groupby("order")["accuracy"].mean().loc[names]
        ax.plot(range(len(names)), means, "_", color=COLORS["paper"], markersize=16)
        ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
        ax.set_xlabel(f"{world}, amplified")
    axes[0].set_ylabel("accuracy (%)")
