"""Rows made ready to send, chunk by chunk, and what a retry must know of them again."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_hubbatch.core.checkpoint import RowsDigest
from airflow_provider_hubbatch.core.duplicates import Duplicates
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER
from airflow_provider_hubbatch.core.model import Chunk, Input, LinkedTo, RowOutcome, Status
from airflow_provider_hubbatch.core.owners import OwnersWantedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.core.checkpoint import Checkpoint
    from airflow_provider_hubbatch.core.clearing import EmptyValues
    from airflow_provider_hubbatch.core.mapping import RowMapping
    from airflow_provider_hubbatch.core.owners import Owners
    from airflow_provider_hubbatch.core.pairs import PairMapping


class Prepared(NamedTuple):
    """Some consecutive rows, ready to send.

    :param rows: an input, or the outcome that a row has already.
    :param replayed: they are an earlier run's, which were checked then.
    """

    rows: Sequence[Input | RowOutcome]
    replayed: bool = False


class Intake:
    """One reading of a sync's rows, from the first on.

    :param mapping: makes them ready to send.
    :param empty: takes in what they have no value for.
    :param digests: whether a retry will want to know that these are the same rows.
    :param read_owners: asks HubSpot for the account's owners, of whom the rows have these properties.
    """

    def __init__(
        self,
        mapping: RowMapping | PairMapping,
        empty: EmptyValues,
        *,
        digests: bool,
        read_owners: Callable[[Sequence[str]], Owners],
    ) -> None:
        self._mapping = mapping
        self._read_owners = read_owners
        self._digests = digests
        self._attempts: dict[int, int] = {}
        self.empty = empty
        self.digest = RowsDigest()
        self.duplicates = Duplicates()
        self.replayed_rows = 0

    def prepare(self, chunk: Chunk) -> Prepared:
        """Make the next rows ready to send.

        :raises SettingsError: these are the first rows that are not an earlier run's, and their columns don't fit.
        :raises HubSpotError: they name owners by address, and the account's owners can't be read.
        """
        replayed = chunk.attempts is not None
        if not replayed and not self._mapping.is_checked:
            self._mapping.check_columns(chunk.names, complete=chunk.complete)
        try:
            rows = self._prepared(chunk)
        except OwnersWantedError as wanted:
            wanted.take(self._read_owners(wanted.names))
            rows = self._prepared(chunk)
        if self._digests:
            self.digest.add(rows)
        if chunk.attempts is not None:
            self.replayed_rows += chunk.length
            self._attempts.update(zip((row.row for row in rows), chunk.attempts, strict=True))
        return Prepared(rows, replayed)

    def _prepared(self, chunk: Chunk) -> list[Input | RowOutcome]:
        # of an earlier run's rows, one that today's rows name too is no surprise
        if chunk.attempts is not None:
            return self._mapping.prepare(chunk)
        return self._mapping.prepare(chunk, self.empty, self.duplicates)

    def complete(self, outcome: RowOutcome) -> RowOutcome:
        """A row's outcome, with how often it was sent again; what HubSpot didn't answer to is no try."""
        attempts = self.take_attempts(outcome.row)
        if attempts is not None and not outcome.is_settled:
            attempts -= 1
        return outcome._replace(attempts=attempts) if attempts else outcome

    def take_attempts(self, row: int) -> int | None:
        """How often a row was sent again, for its outcome; ``None``: it is no earlier run's."""
        return self._attempts.pop(row, None) if self._attempts else None


def not_asked(chunk: Chunk, ids: Iterable[str | None]) -> Iterator[RowOutcome]:
    """The outcomes of rows where HubSpot can't even be asked: with their source rows, for sending them later.

    :param ids: what names each row, as its outcome says it.
    """
    for offset, given_id in enumerate(ids):
        tries = 0 if chunk.attempts is None else chunk.attempts[offset] - 1
        values = chunk.row(offset) or None
        yield RowOutcome(chunk.first_row + offset, given_id, Status.NOT_SENT, values=values, attempts=tries or None)


class ResumedRows:
    """The rows of a retry, up to where the earlier try had read them.

    :param checkpoint: what the earlier try left.
    :param chunks: the rows, from the first on.
    """

    def __init__(self, checkpoint: Checkpoint, intake: Intake, chunks: Iterable[Chunk]) -> None:
        # of the keys of settled rows, a hash each: eight bytes a row
        self._settled_keys = array("q")
        self._checkpoint = checkpoint
        self._intake = intake
        self._chunks = iter(chunks)
        self._beyond: Chunk | None = None
        self._rejected = {outcome.row: outcome for outcome in checkpoint.rejected}
        self._outcomes = None if checkpoint.outcomes is None else {one.row: one for one in checkpoint.outcomes}
        self.unsettled: list[Prepared] = []

    @property
    def rejected(self) -> list[RowOutcome]:
        """The earlier try's rejected outcomes, with their source rows."""
        return list(self._rejected.values())

    @property
    def outcomes(self) -> list[RowOutcome] | None:
        """The earlier try's outcomes, if there were few."""
        return None if self._outcomes is None else list(self._outcomes.values())

    def are_the_same(self) -> bool:
        """Read them, and tell whether they are those that the checkpoint is about."""
        wanted, digest = self._checkpoint.rows_read, self._intake.digest
        while digest.rows < wanted and (chunk := next(self._chunks, None)) is not None:
            inside, self._beyond = _cut(chunk, wanted)
            self._take(inside)
        return digest.rows == wanted and digest.hexdigest() == self._checkpoint.digest

    def rest(self) -> Iterator[Chunk]:
        """The chunks that the earlier try had not read."""
        if self._beyond is not None:
            yield self._beyond
        yield from self._chunks

    def in_doubt(self, prepared: Iterable[Prepared]) -> Iterator[Prepared]:
        """Rows that the earlier try may have written without knowing it, told so.

        Of a key that a settled row has too, it is known what became of it: a row behind that one has made no record.
        """
        settled, began = sorted(self._settled_keys), self._checkpoint.began
        sent_up_to = self._checkpoint.sent_up_to
        # each of them was read before the checkpoint
        last = {row.key: row.row for row in self._unsettled_inputs() if row.row < sent_up_to}
        for one in prepared:
            rows = [
                row._replace(in_doubt_since=began, shares_doubt=last[row.key] > row.row)
                if isinstance(row, Input) and row.row < sent_up_to and not _is_in(settled, row.key)
                else row
                for row in one.rows
            ]
            yield one._replace(rows=rows)

    def _unsettled_inputs(self) -> Iterator[Input]:
        return (row for one in self.unsettled for row in one.rows if isinstance(row, Input))

    def perhaps_sent(self, prepared: Iterable[Prepared]) -> Iterator[Prepared]:
        """Rows that the earlier try may have sent, and that nothing tells of: they have their outcome."""
        for one in prepared:
            rows = [
                row.outcome(Status.UNKNOWN, category=NO_ANSWER.category, message=_PERHAPS_SENT)
                if isinstance(row, Input) and row.row < self._checkpoint.sent_up_to
                else row
                for row in one.rows
            ]
            yield one._replace(rows=rows)

    def _take(self, chunk: Chunk) -> None:
        prepared = self._intake.prepare(chunk)
        unsettled = []
        for offset, row in enumerate(prepared.rows):
            if row.row not in self._checkpoint.settled:
                unsettled.append(row)
                continue
            if isinstance(row, Input) and row.row not in self._rejected:
                self._settled_keys.append(hash(row.key))
            attempts = self._intake.take_attempts(row.row)
            if row.row in self._rejected:
                values = chunk.row(offset)
                self._rejected[row.row] = _known_again(self._rejected[row.row], row, attempts)._replace(values=values)
            if self._outcomes is not None and row.row in self._outcomes:
                self._outcomes[row.row] = _known_again(self._outcomes[row.row], row, attempts)
        if unsettled:
            self.unsettled.append(Prepared(unsettled, prepared.replayed))


_PERHAPS_SENT = "an earlier try of this task ended before HubSpot's reply: its record may have been created"


def _is_in(hashes: Sequence[int], key: str) -> bool:
    wanted = hash(key)
    place = bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted


def _known_again(outcome: RowOutcome, row: Input | RowOutcome, attempts: int | None) -> RowOutcome:
    """An outcome out of a checkpoint, with what its row says."""
    given_id, to = (row.given_id, None) if isinstance(row, Input) else (row.id, row.to)
    if isinstance(row, Input) and row.pair is not None:
        to = LinkedTo(row.pair.given_to)
    if to is not None:
        to = to._replace(record_id=outcome.to_record_id)
    return outcome._replace(id=given_id, to=to, attempts=attempts)


def _cut(chunk: Chunk, row: int) -> tuple[Chunk, Chunk | None]:
    """A chunk in two: what comes before this row, and the rest."""
    length = row - chunk.first_row
    if length >= chunk.length:
        return chunk, None
    before = {offset: why for offset, why in chunk.invalid.items() if offset < length}
    after = {offset - length: why for offset, why in chunk.invalid.items() if offset >= length}
    first = {name: values[:length] for name, values in chunk.columns.items()}
    second = {name: values[length:] for name, values in chunk.columns.items()}
    tries, more_tries = (None, None) if chunk.attempts is None else (chunk.attempts[:length], chunk.attempts[length:])
    return (
        replace(chunk, columns=first, length=length, invalid=before, attempts=tries),
        replace(chunk, first_row=row, columns=second, length=chunk.length - length, invalid=after, attempts=more_tries),
    )
