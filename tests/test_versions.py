"""What the docs say of versions is what the code finds, on each of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "versions.md"
AIRFLOWS = ("3.0", "3.1", "3.2", "3.3")
PYTHONS = ("3.11", "3.12", "3.13")


def pins_of(airflow: str) -> Path:
    return REPOSITORY / ("constraints.txt" if airflow == AIRFLOWS[-1] else f"constraints/airflow-{airflow}.txt")


def table(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    text = PAGE.read_text().split(f"\n{heading}\n", 1)[1]
    lines = [line for line in re.split(r"\n#", text)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("airflow", AIRFLOWS)
def test_pins_are_plain_and_of_this_airflow(airflow: str) -> None:
    """A pins file has ``name==version`` lines only: no addresses, no markers; and it is of the minor that it names."""
    lines = [line for line in pins_of(airflow).read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    pins = dict(line.split("==") for line in lines)
    assert pins["apache-airflow"].startswith(f"{airflow}.")
    assert pins["apache-airflow-core"] == pins["apache-airflow"]


def test_the_table_is_the_matrix() -> None:
    """Each Airflow and each Python that is claimed has its field: passed, or not run for a reason."""
    rows = {row[0]: row[1:] for row in table("## What is tested")}
    assert tuple(rows) == AIRFLOWS
    for fields in rows.values():
        assert len(fields) == len(PYTHONS)
        assert all(re.fullmatch(r"passes|not run: .+", field) for field in fields)


def found() -> dict[str, bool]:
    """Feature -> whether this Airflow has it, as the code finds out."""
    import airflow.providers_manager
    from airflow.sdk import Context

    from airflow_provider_hubbatch import retries

    known: dict[str, Any] = Context.__annotations__
    return {
        "resume": "task_state_store" in known,
        "retry policy": hasattr(retries, "HubSpotRetryPolicy"),
        "connection form": "conn-fields" in Path(airflow.providers_manager.__file__).read_text(),
    }


@pytest.mark.versions
def test_what_a_version_lacks_is_what_the_code_finds_missing() -> None:
    """A feature that the docs say needs an Airflow is there from that one on, and not before."""
    from airflow import __version__

    here = tuple(int(part) for part in __version__.split(".")[:2])
    needs = {row[0]: tuple(int(part) for part in row[1].split(".")) for row in table("## What a version lacks")}
    for feature, has in found().items():
        (needed,) = [version for name, version in needs.items() if feature in name]
        assert has == (here >= needed), feature
