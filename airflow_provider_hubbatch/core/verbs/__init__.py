"""The verbs, a module each: what is sent for a row, how HubSpot's replies are read, where the row goes next.

The engine, checkpoints, reports and metrics know none of them by name. ``verb`` says what a verb is made of.
"""

from airflow_provider_hubbatch.core.verbs.update import Update

VERBS = {verb.name: verb for verb in (Update,)}
"""By the name that a sync's options give."""
