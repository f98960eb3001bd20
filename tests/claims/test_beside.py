"""What stands beside a verdict, as text."""

from __future__ import annotations

from saebook.claims.beside import detail_table


def test_details_are_flat_and_rounded_to_what_can_be_read() -> None:
    found = detail_table(
        "K1", {"gain": {"one": 1.0 / 3, "two": [0.5, 1e-9]}, "n": 4, "all": [[1.5]]}
    )
    assert list(found.columns) == ["K1, beside the verdict"]
    assert found.iloc[:, 0].to_dict() == {
        "n": "4",
        "all": "1.5",
        "gain, one": "0.333",
        "gain, two": "0.5, 1e-09",
    }
