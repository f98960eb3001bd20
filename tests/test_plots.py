"""Figures and coloured tokens: what is drawn, what is refused, and what is not imported."""

from __future__ import annotations

import math
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib
import matplotlib.pyplot
import pandas as pd
import pytest

matplotlib.use("Agg")

from saebook import plots
from saebook.claims.verdicts import Verdict
from saebook.testbed import load_world


@pytest.fixture
def ax():
    plots.use_style()
    figure, axes = plots.figure()
    yield axes[0]
    matplotlib.pyplot.close(figure)


class Spans(HTMLParser):
    """Collects (text, title, style) of every span and checks that tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.attrs: dict = {}
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.attrs = dict(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "span":
            self.found.append((data, self.attrs.get("title", ""), self.attrs.get("style", "")))


def test_plots_do_not_import_torch() -> None:
    code = "import sys, saebook.plots; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_architecture_has_a_colour_and_a_marker_of_its_own() -> None:
    styles = plots.ARCH_STYLE.values()
    assert set(plots.ARCH_STYLE) == {"standard", "gated", "topk", "batchtopk", "jumprelu"}
    for cue in ("color", "marker", "label"):
        assert len({style[cue] for style in styles}) == len(plots.ARCH_STYLE)


def test_every_verdict_has_a_symbol_of_its_own() -> None:
    assert set(plots.VERDICT_STYLE) == {str(verdict.value) for verdict in Verdict}
    symbols = {style["symbol"] for style in plots.VERDICT_STYLE.values()}
    assert len(symbols) == len(plots.VERDICT_STYLE)


def test_every_concept_kind_of_the_world_has_a_mark_of_its_own() -> None:
    assert {concept.kind for concept in load_world().concepts} <= set(plots.KIND_STYLE)
    assert len(set(plots.KIND_STYLE.values())) == len(plots.KIND_STYLE)


def test_pareto_draws_a_curve_an_architecture_on_a_log_axis(ax) -> None:
    frame = pd.DataFrame(
        {
            "architecture": ["topk", "topk", "gated", "gated"],
            "l0": [20.0, 5.0, 6.0, 22.0],
            "fvu_pooled": [0.1, 0.3, 0.28, 0.12],
        }
    )
    plots.pareto(ax, frame)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["TopK", "Gated"]
    assert ax.get_xscale() == "log"
    assert list(ax.lines[0].get_xdata()) == [5.0, 20.0]
    assert ax.get_title() == ""


def test_paper_is_hollow_and_black_and_ours_is_filled(ax) -> None:
    frame = pd.DataFrame(
        {
            "label": ["R1", "R2"],
            "paper": [1.0, math.nan],
            "ours": [1.1, 2],
            "low": [1, 1.5],
            "high": [1.2, 3],
        }
    )
    plots.paper_vs_ours(ax, frame)
    paper = next(c for c in ax.collections if c.get_label() == "paper")
    assert len(paper.get_facecolor()) == 0
    assert tuple(paper.get_edgecolor()[0][:3]) == (0, 0, 0)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["R1", "R2"]


def test_an_interval_that_misses_its_estimate_is_still_drawn(ax) -> None:
    frame = pd.DataFrame(
        {"coeff": [-1, 1], "estimate": [0.2, 0.9], "low": [0.3, 0.8], "high": [0.4, 1]}
    )
    plots.coeff_sweep(ax, frame)
    assert ax.get_xlabel() == "coefficient"


@pytest.mark.parametrize(
    ("draw", "x"), [(plots.coeff_sweep, "coeff"), (plots.layer_profile, "layer")]
)
def test_sweeps_draw_a_labelled_line_each_in_both_cues(ax, draw, x: str) -> None:
    frame = pd.DataFrame({x: [0, 1, 0, 1], "estimate": [0, 1, 1, 0.0], "arm": ["a", "a", "b", "b"]})
    draw(ax, frame, by="arm")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    first, second = ax.get_lines()[:2]
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


@pytest.mark.parametrize(
    "draw",
    [plots.pareto, plots.paper_vs_ours, plots.coeff_sweep, plots.layer_profile,
     plots.gates_figure, plots.concept_zipf],
)  # fmt: skip
def test_a_frame_without_its_columns_is_refused_by_name(ax, draw) -> None:
    with pytest.raises(ValueError, match=rf"{draw.__name__} needs columns"):
        draw(ax, pd.DataFrame({"other": [1]}))


def test_a_frame_without_rows_is_refused(ax) -> None:
    with pytest.raises(ValueError, match="without rows"):
        plots.layer_profile(ax, pd.DataFrame({"layer": [], "estimate": []}))


def test_a_grid_of_gates_crosses_what_fails_and_shows_what_was_measured_now(ax) -> None:
    rows = [("a", "x", 0.5, True), ("b", "x", 2.0, False), ("a", "y", 1.0, True)]
    frame = pd.DataFrame(rows, columns=["gate", "model", "value", "passed"])
    plots.gate_grid(ax, frame, frame[:1].assign(value=0.25))
    written = [text.get_text() for text in ax.texts]
    assert written == ["0.5", "2 ✗", "1", "0.25"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y"]
    with pytest.raises(ValueError, match="gate_grid needs columns"):
        plots.gate_grid(ax, frame.drop(columns="passed"))


def test_gates_lie_inside_the_band_exactly_when_they_hold(ax) -> None:
    inf = math.inf
    frame = pd.DataFrame(
        [
            ("two bounds", 0.5, 0.35, 0.75, True),
            ("below", 0.1, 0.35, 0.75, False),
            ("at least", 7.0, 5.0, inf, True),
            ("at most", 0.9, -inf, 0.35, False),
            ("not a number", math.nan, 0.0, 1.0, False),
        ],
        columns=pd.Index(["label", "value", "low", "high", "passed"]),
    )
    plots.gates_figure(ax, frame)
    places = [c.get_offsets()[0][0] for c in ax.collections if len(c.get_offsets())][-5:][::-1]
    assert 0 <= places[0] <= 1 and places[1] < 0 and places[2] > 0 and places[3] > 1
    assert places[4] < 0
    assert [t.get_text() for t in ax.get_yticklabels()] == list(frame["label"])[::-1]


def test_zipf_is_drawn_on_two_log_axes_with_absent_concepts_left_out(ax) -> None:
    frame = pd.DataFrame(
        {"concept": list("abc"), "kind": ["entity", "entity", "topic"], "share": [0.2, 0.0, 0.1]}
    )
    plots.concept_zipf(ax, frame, ("entity",))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 1]


def test_a_heat_map_says_its_numbers(ax) -> None:
    table = pd.DataFrame(
        [[0.45, 0.05], [0.1, 0.9]],
        index=pd.Index(["law", "math"]),
        columns=pd.Index(["dial", "count"]),
    )
    plots.labelled_heat(ax, table, "share of problems")
    assert [t.get_text() for t in ax.texts] == ["45", "5", "10", "90"]


def test_concept_tokens_mark_words_twice_and_name_all_concepts_in_the_title() -> None:
    (text,) = load_world().sample("encyclopaedia", 1, 0)
    spans = Spans(plots.concept_tokens(text, ("entity", "value"), legend=False).html).found
    assert [word for word, _, _ in spans] == list(text.words)
    for (_, title, style), held in zip(spans, text.concepts, strict=True):
        assert set(title.split(", ")) == held
        marked = any(c.startswith(("entity/", "value/")) for c in held)
        assert ("underline" in style and "background" in style) == marked


def test_concept_tokens_say_how_much_they_leave_out() -> None:
    (text,) = load_world().sample("behaviours", 1, 0)
    html = plots.concept_tokens(text, ("behaviour",), limit=4).html
    assert f"… {len(text) - 4} more words" in html
    assert "key:" in html


def test_template_tokens_are_escaped() -> None:
    (text,) = load_world().sample("chats", 1, 0, family="qwen2")
    html = plots.concept_tokens(text, ("role",)).html
    assert "<|im_start|>" not in html
    assert "&lt;|im_start|&gt;" in html


def test_an_unknown_concept_kind_is_refused() -> None:
    (text,) = load_world().sample("chats", 1, 0)
    with pytest.raises(ValueError, match=r"unknown concept kinds \['colour'\]"):
        plots.concept_tokens(text, ("colour",))


def test_token_heat_tells_signs_apart_without_colour() -> None:
    spans = Spans(plots.token_heat(["<b>", "it's", "cold"], [2.0, -1.5, 0.1], "nats").html).found
    assert [word for word, _, _ in spans] == ["<b>", "it's", "cold"]
    assert spans[0][1] == "<b>: 2 nats" and spans[1][1] == "it's: -1.5 nats"
    assert "solid" in spans[0][2] and "dotted" in spans[1][2]
    assert "underline" not in spans[2][2]


def test_token_heat_refuses_what_it_cannot_shade() -> None:
    with pytest.raises(ValueError, match="2 words with 1 values"):
        plots.token_heat(["a", "b"], [1.0])
    with pytest.raises(ValueError, match="finite"):
        plots.token_heat(["a"], [math.nan])


def test_zero_everywhere_is_shaded_nowhere() -> None:
    assert "rgba(0,114,178,0.00)" in plots.token_heat(["a"], [0.0]).html
