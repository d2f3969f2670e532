"""Whether HubSpot's own records are what the outcomes of a sync say. It shares no code with the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Records = dict[str, dict[str, Any]]


def wrong_records(
    rows: Iterable[Mapping[str, Any]],
    *,
    id_column: str,
    id_property: str,
    properties: Mapping[str, str],
    rejected_ids: Collection[Any],
    before: Records,
    after: Records,
) -> list[str]:
    """Compare every record with the rows: written where they were accepted, left alone where they were rejected.

    :param rows: as they were read, in their order.
    :param id_column: their column that names the record.
    :param id_property: the property that has the same value.
    :param properties: column -> property.
    :param rejected_ids: the ids of the rows that were rejected.
    :param before: HubSpot's records before the sync, by record id.
    :param after: and after it.
    :returns: a sentence for each value that isn't what it should be.
    """
    record_ids = {record["properties"].get(id_property): record_id for record_id, record in before.items()}
    expected = {record_id: dict(record["properties"]) for record_id, record in before.items()}
    for row in rows:
        if row[id_column] in rejected_ids:
            continue
        values = {properties[column]: value for column, value in row.items() if column in properties}
        expected[record_ids[_as_id(row[id_column])]].update(
            {name: value for name, value in values.items() if value is not None}
        )
    return [
        f"record {record_id}: {name} is {after[record_id]['properties'].get(name)!r}, not {values.get(name)!r}"
        for record_id, values in expected.items()
        for name in properties.values()
        if not _same(values.get(name), after[record_id]["properties"].get(name))
    ]


def _as_id(value: Any) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _same(wanted: Any, stored: str | None) -> bool:
    if wanted is None or stored is None:
        return wanted is stored
    if stored in {"true", "false"} and not isinstance(wanted, str):
        return bool(wanted) is (stored == "true")
    if isinstance(wanted, (int, float)):
        return float(stored) == float(wanted)
    return str(wanted) == stored
