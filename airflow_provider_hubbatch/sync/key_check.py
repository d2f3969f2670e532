"""A look at the first records beside the first updates: does the id column hold HubSpot's record ids at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead
from airflow_provider_hubbatch.core.record_check import TELLING_PROPERTIES, describe_wrong_key, properties_to_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
    from airflow_provider_hubbatch.core.model import RowOutcome
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.verbs.verb import Verb
    from airflow_provider_hubbatch.core.verdicts import Final
    from airflow_provider_hubbatch.sync.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheckJob:
    """Reads the records that the first rows name, to compare them with what the rows are about to write.

    It goes out right before the first updates, and nothing waits for it.

    :param columns: column -> property.
    :param warn: told if no record agrees with its row.
    """

    inputs: Sequence[Input]
    object_type: str
    api_version: str
    id_column: str
    columns: Mapping[str, str]
    warn: Callable[[str], None]
    reads: ClassVar[bool] = False
    is_suspected: ClassVar[bool] = False
    settles: ClassVar[bool] = False

    def request(self) -> Request:
        """The read."""
        names = tuple(sorted(properties_to_read(TELLING_PROPERTIES, self.object_type)))
        read = BatchRead(self.object_type, names, api_version=self.api_version)
        return read.request(dict.fromkeys(item.id for item in self.inputs))

    def unanswered(self, *, maybe_applied: bool) -> None:
        """Reading leaves everything as it is."""

    def answered(self, reply: Reply, done: Done) -> None:  # noqa: ARG002 - reading has no effect
        """Warn, if there is a reason to."""
        records = parse_batch_reply(reply).results
        warning = describe_wrong_key(self.inputs, records, id_column=self.id_column, columns=self.columns)
        if warning is not None:
            self.warn(warning)

    def failed(self, done: Done, verdict: Final) -> None:
        """Then nothing is known of the key; the updates tell what is wrong, if anything is."""


def may_have_the_wrong_key(spec: MappingSpec, verb: Verb, columns: Mapping[str, str]) -> bool:
    """Whether the first records are looked at: rows name them by record id, and nothing else checks that."""
    by_record_id = spec.id_property is None and spec.id_use is IdUse.EXISTING and verb.lookup is None
    return by_record_id and not {*TELLING_PROPERTIES}.isdisjoint(columns.values())


def with_key_check(
    batches: Iterable[Sequence[Input | RowOutcome]],
    new_job: Callable[[Sequence[Input]], Job],
    add: Callable[[Job], None],
) -> Iterator[Sequence[Input | RowOutcome]]:
    """Rows on their way to be sent; of the first ones the records are looked at.

    :param new_job: makes the job of these inputs.
    :param add: sends it before everything else.
    """
    checked = False
    for rows in batches:
        if not checked:
            inputs = [row for row in rows if isinstance(row, Input)][:MAX_BATCH_INPUTS]
            if inputs:
                checked = True
                add(new_job(inputs))
        yield rows
