"""The update: what is sent for rows."""

from __future__ import annotations

import orjson

from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate

ROWS = [Input(7, 12.0, "12", "12", {"city": "Ghent"}), Input(9, "13", "13", "13", {"city": ""})]


def test_batch_update_sends_ids_trace_ids_and_properties() -> None:
    """An update goes to the dated path; each row has its trace id, which is its index; no idProperty for record ids."""
    request = BatchUpdate(object_type="contacts", api_version="2026-03").request(ROWS)
    assert (request.method, request.path) == ("POST", "/crm/objects/2026-03/contacts/batch/update")
    assert orjson.loads(request.body or b"") == {
        "inputs": [
            {"id": "12", "objectWriteTraceId": "7", "properties": {"city": "Ghent"}},
            {"id": "13", "objectWriteTraceId": "9", "properties": {"city": ""}},
        ]
    }


def test_batch_update_sends_one_id_property_with_every_row() -> None:
    """With an id property, every input names it."""
    request = BatchUpdate(object_type="p1_pets", id_property="chip_id", api_version="2026-09").request(ROWS)
    assert request.path == "/crm/objects/2026-09/p1_pets/batch/update"
    assert [one["idProperty"] for one in orjson.loads(request.body or b"")["inputs"]] == ["chip_id", "chip_id"]
