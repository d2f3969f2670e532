"""Lookups of what many rows name: each key asked for once, each row answered, in order."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.error_reply import ErrorReply
from airflow_provider_hubbatch.core.folded_lookup import FoldedQueue
from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.model import Input

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.lookup import Lookup


@dataclass(frozen=True)
class Any3:
    """A lookup of three keys a request."""

    most_inputs: ClassVar[int] = 3
    folds: ClassVar[bool] = True

    def told(self, identifier: str) -> str:
        return identifier


def queue() -> FoldedQueue:
    lookup: Any = Any3()
    typed: Lookup = lookup
    return FoldedQueue(typed)


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 2**32))
def test_every_row_is_answered_in_order_and_no_key_asked_twice_at_once(keys: list[int], seed: int) -> None:
    """Whatever comes between, and whatever replies leave out: rows go on in order, each with its key's answer."""
    draws, folded = Random(seed), queue()
    under_way: list[Any] = []
    out: list[int] = []
    waiting = list(enumerate(keys))
    number = 0
    while waiting or len(folded):
        if waiting and draws.random() < 0.6:
            row, key = waiting.pop(0)
            folded.add(Input(row, key, str(key), str(key), {}))
        if folded.unasked and draws.random() < 0.5:
            number += 1
            batch = folded.take(number)
            asked = [item.id for item in batch.asked]
            assert len(set(asked)) == len(asked) <= 3
            under_way.append(batch)
        if under_way and draws.random() < 0.5:
            batch = under_way.pop(draws.randrange(len(under_way)))
            if draws.random() < 0.2:
                again = folded.refuse(batch, ErrorReply("X"))
            else:
                answers = [
                    Found(links={item.id: frozenset()}) if draws.random() < 0.7 else None for item in batch.asked
                ]
                again = folded.answer(batch, answers)
            under_way += again
        for item, found, read in folded.ready():
            assert found.error is not None or list(found.links or ()) == [item.id]
            assert read.number <= number
            out.append(item.row)
    assert out == list(range(len(keys)))
    assert folded.oldest is None
