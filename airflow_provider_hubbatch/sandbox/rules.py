"""Rules about a whole row: what one property may hold because of what another one holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CONDITIONAL = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
REQUIRED = "MISSING_REQUIRED_PROPERTY"


class Problem(NamedTuple):
    """Why HubSpot refuses one property of a row.

    :param error: HubSpot's code, as ``INVALID_OPTION``.
    :param existing_id: Of a conflict: the record that has the value.
    """

    error: str
    message: str
    name: str
    existing_id: str | None = None


class RowState(NamedTuple):
    """A row as a rule sees it.

    :param sent: The properties that the row has.
    :param after: All of the record's values, as they would be afterwards.
    :param is_new: Whether the row makes the record.
    :param quotes: Whether messages may quote values.
    """

    sent: Collection[str]
    after: Mapping[str, str | None]
    is_new: bool
    quotes: bool


@dataclass(frozen=True, kw_only=True)
class ConditionalRule:
    """An admin's rule: ``required`` must be set while ``when_property`` has ``when_value``."""

    required: str
    when_property: str
    when_value: str
    is_admins: ClassVar[bool] = True

    def problem(self, row: RowState) -> Problem | None:
        """The refusal names the property that the row lacks."""
        if row.after.get(self.when_property) != self.when_value or row.after.get(self.required):
            return None
        reason = f"because of a conditional property rule based on [{self.when_property}]"
        return Problem(CONDITIONAL, f"{self.required} is required {reason}", self.required)


@dataclass(frozen=True, kw_only=True)
class CreateRule:
    """An admin's rule: a new record must have ``required``."""

    required: str
    is_admins: ClassVar[bool] = True

    def problem(self, row: RowState) -> Problem | None:
        """The refusal names the property that the row lacks."""
        if not row.is_new or row.after.get(self.required):
            return None
        return Problem(REQUIRED, f"A value for {self.required} must be provided", self.required)


@dataclass(frozen=True, kw_only=True)
class PipelineRule:
    """A stage must be one of its record's pipeline.

    :param pipeline: The property that holds the pipeline; empty: the first of ``stages``.
    :param stage: The property that holds the stage.
    :param stages: For each pipeline its stages.
    """

    pipeline: str
    stage: str
    stages: dict[str, tuple[str, ...]]
    is_admins: ClassVar[bool] = False

    def problem(self, row: RowState) -> Problem | None:
        """The refusal quotes the stage, which may be right in another row's pipeline."""
        if self.stage not in row.sent and self.pipeline not in row.sent:
            return None
        stage, pipeline = row.after.get(self.stage), row.after.get(self.pipeline) or next(iter(self.stages))
        valid = self.stages.get(pipeline)
        if not stage or valid is None or stage in valid:
            return None
        quoted = stage if row.quotes else "The value"
        listed = f"Valid options are: pipelineId={pipeline} : [{', '.join(valid)}]"
        return Problem("INVALID_OPTION", f"{quoted} is not a valid pipeline stage ID. {listed}", self.stage)


@dataclass(frozen=True, kw_only=True)
class DependentRule:
    """A dependent field: what ``name`` may hold depends on what ``controlling`` holds.

    :param allowed: For each value of ``controlling`` the values that ``name`` may have.
    """

    name: str
    controlling: str
    allowed: dict[str, tuple[str, ...]]
    is_admins: ClassVar[bool] = False

    def problem(self, row: RowState) -> Problem | None:
        """The refusal quotes the value, which may be right beside another value of the controlling property."""
        value = row.after.get(self.name)
        if not value or not {self.name, self.controlling}.intersection(row.sent):
            return None
        allowed = self.allowed.get(row.after.get(self.controlling) or "", ())
        if value in allowed:
            return None
        quoted = value if row.quotes else "The value"
        return Problem(
            "INVALID_OPTION", f"{quoted} was not one of the allowed options: [{', '.join(allowed)}]", self.name
        )


Rule = ConditionalRule | CreateRule | PipelineRule | DependentRule
