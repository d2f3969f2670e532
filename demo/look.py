"""A look before the leap: what a sync would change, without changing anything.

As a program: ``python -m demo.look FOLDER``, with the connections of the example DAGs; the result files go into a
folder of it, and ``summary.json`` beside that one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sources import SqlRows

SCORES = "SELECT hubspot_id, score, plan, lifecycle_stage AS lifecyclestage FROM customers ORDER BY changed_at"


def main(folder: str) -> None:
    """Compare the warehouse's scores with HubSpot's, a hundred records a request."""
    report = HubSpotHook().batch_update(
        "contacts",
        SqlRows("warehouse", SCORES),
        id_column="hubspot_id",
        validate_only=True,
        skip_unchanged="hubspot",
        results_path=f"{folder}/outcomes",
    )
    Path(folder, "summary.json").write_text(json.dumps(report.summary()))


if __name__ == "__main__":
    main(sys.argv[1])
