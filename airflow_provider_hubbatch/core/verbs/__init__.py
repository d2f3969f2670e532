"""The verbs, a module each: what is sent for a row, how HubSpot's replies are read, where the row goes next.

The engine, checkpoints, reports and metrics know none of them by name. ``verb`` says what a verb is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.verbs.archive import Archive
from airflow_provider_hubbatch.core.verbs.associate import Associate
from airflow_provider_hubbatch.core.verbs.create import Create
from airflow_provider_hubbatch.core.verbs.linked_create import LinkedCreate
from airflow_provider_hubbatch.core.verbs.update import Update
from airflow_provider_hubbatch.core.verbs.upsert import Upsert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_hubbatch.core.verbs.verb import Verb

VERBS: Mapping[str, Callable[..., Verb]] = {verb.name: verb.for_sync for verb in (Update, Upsert, Create, Archive)}
"""What makes a verb of a sync's options, by the name that they give."""

LINKING_VERBS: Mapping[type[Verb], Callable[..., Verb]] = {Create: LinkedCreate.of}
"""What makes a verb one that links new records from the start: ``LINKING_VERBS[type(verb)](verb, columns)``."""

PAIR_VERBS: Mapping[str, Callable[..., Verb]] = {verb.name: verb.for_pairs for verb in (Associate,)}
"""As :data:`VERBS`, of verbs whose rows name two records."""
