"""Parameters of a chapter refuse what is not declared, by name and with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from helpers.tiny_project import PARAMETERS_CELL, SETUP_CELL, find_tiny, write_notebook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from saebook.parameters import ChapterParameters, ParameterError, parameters_for
from saebook.run import Project, Request
from saebook.run.check import checked_parameters, flat_yaml, from_text


class Parameters(ChapterParameters):
    """Every kind of scalar."""

    n: int = Field(3, ge=1, le=9)
    scale: float = Field(1.5, gt=0)
    kind: Literal["topk", "jumprelu"] = "topk"
    fast: bool = False


VALID = {"n": 3, "scale": 1.5, "kind": "topk", "fast": False}


def test_parameters_are_frozen_and_an_int_serves_as_a_float():
    config = Parameters.checked({**VALID, "scale": 2})
    assert config.scale == 2.0
    with pytest.raises(ValidationError):
        config.n = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n", True, ["'n' is True (bool)", "int, >= 1, <= 9"]),
        ("n", 0, ["'n' is 0", ">= 1"]),
        ("n", 10, ["'n' is 10", "<= 9"]),
        ("n", 2.5, ["'n' is 2.5 (float)", "int"]),
        ("n", "4", ["'n' is '4' (str)", "text"]),
        ("scale", "1e-3", ["'1e-3'", "1.0e-3"]),
        ("scale", float("nan"), ["'scale' is nan", "> 0"]),
        ("scale", True, ["'scale' is True", "float"]),
        ("kind", "relu", ["'kind' is 'relu'", "one of 'topk', 'jumprelu'"]),
        ("fast", 1, ["'fast' is 1 (int)", "bool"]),
        ("kindd", "topk", ["'kindd' is not a parameter", "did you mean 'kind'"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, value, words):
    with pytest.raises(ParameterError) as caught:
        Parameters.checked({**VALID, name: value})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(ParameterError) as caught:
        Parameters.checked({**VALID, "n": 0, "scale": -1.0, "seeed": 1})
    assert all(name in str(caught.value) for name in ("'n'", "'scale'", "'seeed'"))


def test_a_notebook_may_hold_modules_private_names_and_no_other_scalar():
    namespace = {**VALID, "_hidden": 3, "Path": Path, "In": ["x"], "texts": ["a"]}
    assert Parameters.from_notebook(namespace).n == 3
    with pytest.raises(ParameterError, match="'sede' is not a parameter"):
        Parameters.from_notebook({**VALID, "sede": 1})


def test_a_missing_parameter_is_named():
    with pytest.raises(ParameterError, match="does not set scale"):
        Parameters.from_notebook({"n": 3, "kind": "topk", "fast": False})


def test_running_the_setup_again_later_in_a_kernel_is_no_fault_but_a_new_annotated_name_is():
    namespace = dict(VALID)
    Parameters.from_notebook(namespace)
    namespace |= {"n": 4, "mean_of_something": 0.5}
    assert Parameters.from_notebook(namespace).n == 4
    namespace |= {"sede": 1, "__annotations__": {"n": int, "sede": int}}
    with pytest.raises(ParameterError, match="'sede'"):
        Parameters.from_notebook(namespace)


def test_a_chapter_without_declared_parameters_is_named():
    with pytest.raises(ParameterError, match=r"saebook\.papers\.nobody1999\.parameters"):
        parameters_for("nobody1999")


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers()),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values=st.dictionaries(st.sampled_from([*VALID, "other"]), junk, max_size=5))
def test_whatever_comes_is_either_taken_as_it_is_or_refused_in_words(values):
    given_values = {**VALID, **values}
    try:
        config = Parameters.checked(given_values)
    except ParameterError as error:
        assert any(repr(name) in str(error) for name in values)
    else:
        assert set(given_values) == set(VALID)
        assert all(getattr(config, name) == value for name, value in given_values.items())
        assert 1 <= config.n <= 9 and config.scale > 0
        assert type(config.n) is int and type(config.fast) is bool


SLUGS = [chapter.slug for chapter in Project(Path(__file__).parent.parent).chapters()]


THOUSAND = -(-1000 // len(SLUGS))
"""Malformed sets a chapter, so that there are a thousand in all."""


def malformed(cls: type[ChapterParameters], name: str) -> st.SearchStrategy[object]:
    """Values that a parameter must refuse: of another type, not finite, or out of its range."""
    field = cls.model_fields[name]
    wrong = [st.none(), st.lists(st.integers(), max_size=2), st.just(float("nan")), st.binary()]
    if field.annotation is not bool:
        wrong.append(st.booleans())
    if field.annotation in (int, float, bool):
        wrong.append(st.text(max_size=4))
    else:
        wrong.append(st.integers())
    for bound in field.metadata:
        if (least := getattr(bound, "ge", getattr(bound, "gt", None))) is not None:
            wrong.append(st.integers(max_value=int(least) - 1))
        if (most := getattr(bound, "le", getattr(bound, "lt", None))) is not None:
            wrong.append(st.integers(min_value=int(most) + 1))
    return st.one_of(wrong)


@pytest.mark.parametrize("slug", SLUGS)
@settings(max_examples=THOUSAND, deadline=None)
@given(data=st.data())
def test_no_chapter_takes_a_malformed_parameter_and_every_fault_is_named(slug, data):
    cls = parameters_for(slug)
    valid = cls.checked({}).model_dump()
    names = data.draw(st.lists(st.sampled_from([*valid]), min_size=1, max_size=3, unique=True))
    faults = {name: data.draw(malformed(cls, name)) for name in names}
    misspelt = data.draw(st.sampled_from([*valid])) + data.draw(st.sampled_from(["s", "_", "x"]))
    with pytest.raises(ParameterError) as caught:
        cls.checked({**valid, **faults, misspelt: 1})
    assert all(repr(name) in str(caught.value) for name in (*names, misspelt))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("n", "4", 4), ("scale", "1e-3", 0.001), ("kind", "topk", "topk"), ("fast", "true", True)],
)
def test_a_value_typed_on_the_command_line_takes_the_declared_type(name, text, value):
    found = from_text(name, text, Parameters)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"), [("n", "4.5"), ("fast", "1"), ("scale", "x"), ("m", "1")]
)
def test_a_value_typed_wrongly_is_named(name, text):
    with pytest.raises(ParameterError, match=f"'{name}'"):
        from_text(name, text, Parameters)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("n: 1\nn: 2\n", "twice"),
        ("n: [1, 2]\n", "plain"),
        ("n: {a: 1}\n", "plain"),
        ("n:\n", "plain"),
        ("- n\n", "holds a list"),
        ("n: [\n", "cannot be read"),
        ("1: 2\n", "plain"),
    ],
)
def test_a_parameter_file_that_is_not_flat_is_refused(tmp_path, text, word):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=word):
        flat_yaml(path)


def tiny_request(root: Path, tier: str = "testbed", **overrides) -> Request:
    project = Project(root)
    return Request(project, project.chapter("tiny2020"), tier, overrides)


def write_tiny(root: Path, parameters: str = PARAMETERS_CELL, setup: str = SETUP_CELL) -> None:
    write_notebook(root / "notebooks" / "01_tiny2020_demo.ipynb", [setup], parameters)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ("n: int = 3  # a\nscale: float = 1.5  # b\nextra: int = 1  # c", "declares extra"),
        ("n: int = 3  # a", "declares scale"),
        ("n: int = 3  # a\nscale: float | None = 1.5  # b", "does not read 'scale'"),
        ("n: int = 3  # a\nscale = 1.5  # b", "not `name: type = value`"),
        ("n: int = 3  # a\nscale: float = 3 * 0.5  # b", "default of 'scale'"),
        ("n: int = 3  # a\nn: int = 4  # a\nscale: float = 1.5  # b", "'n' twice"),
        ("n: int = 99  # a\nscale: float = 1.5  # b", "'n' is 99"),
        ("n: int = 3  # a\nscale: float = 'x'  # b", "'scale' is 'x'"),
    ],
)
def test_a_notebook_whose_parameters_cell_disagrees_is_refused_before_any_compute(
    tmp_path, parameters, word
):
    write_tiny(tmp_path, parameters)
    with pytest.raises(ParameterError, match=word):
        checked_parameters(tiny_request(tmp_path), find_tiny)


def test_a_parameter_that_nothing_reads_is_refused(tmp_path):
    write_tiny(tmp_path, setup="print(n)")
    with pytest.raises(ParameterError, match="reads scale"):
        checked_parameters(tiny_request(tmp_path), find_tiny)


def test_a_parameter_read_by_the_papers_package_counts_when_config_is_handed_on(tmp_path):
    write_tiny(tmp_path, setup="print(config.n)\nmeasure(config)")
    package = tmp_path / "lib" / "saebook" / "papers" / "tiny2020"
    package.mkdir(parents=True)
    (package / "protocol.py").write_text("def measure(config):\n    return config.scale\n")
    assert checked_parameters(tiny_request(tmp_path), find_tiny) == {}
    write_tiny(tmp_path, setup="print(config.n)\nresults = Results.start('x', config)")
    with pytest.raises(ParameterError, match="reads scale"):
        checked_parameters(tiny_request(tmp_path), find_tiny)


def test_a_parameter_read_through_a_property_or_a_held_config_counts(tmp_path):
    write_tiny(tmp_path, setup="print(config.sizes)")
    package = tmp_path / "lib" / "saebook" / "papers" / "tiny2020"
    package.mkdir(parents=True)
    held = "class Parameters:\n    def sizes(self):\n        return self.n, self.more()\n"
    more = "    def more(self):\n        return self.scale\n"
    (package / "parameters.py").write_text(held + more)
    assert checked_parameters(tiny_request(tmp_path), find_tiny) == {}
    (package / "parameters.py").write_text(held)
    with pytest.raises(ParameterError, match="reads scale"):
        checked_parameters(tiny_request(tmp_path), find_tiny)
    write_tiny(tmp_path, setup="measure(config.sizes, config)")
    (package / "protocol.py").write_text("def measure(held):\n    return held.config.scale\n")
    assert checked_parameters(tiny_request(tmp_path), find_tiny) == {}


def test_a_tier_needs_its_file_and_the_testbed_none(tmp_path):
    write_tiny(tmp_path)
    assert checked_parameters(tiny_request(tmp_path), find_tiny) == {}
    with pytest.raises(
        ParameterError, match=r"no parameter file notebooks/tiers/full/tiny2020.yaml"
    ):
        checked_parameters(tiny_request(tmp_path, "full"), find_tiny)


def test_overrides_stand_above_the_tiers_values(tmp_path):
    write_tiny(tmp_path)
    path = tmp_path / "notebooks" / "tiers" / "smoke" / "tiny2020.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("n: 2\nscale: 2\n")
    found = checked_parameters(tiny_request(tmp_path, "smoke", n=5), find_tiny)
    assert found == {"n": 5, "scale": 2.0}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=30,
    deadline=None,
)
@given(name=st.sampled_from(["n", "scale", "nn"]), value=junk)
def test_a_malformed_override_never_reaches_the_notebook(tmp_path, name, value):
    write_tiny(tmp_path)
    try:
        found = checked_parameters(tiny_request(tmp_path, **{name: value}), find_tiny)
    except ParameterError as error:
        assert "tiny2020 at tier testbed" in str(error) and repr(name) in str(error)
    else:
        assert name != "nn" and found == {name: value}
