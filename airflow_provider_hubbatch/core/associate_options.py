"""The options of syncs that link records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_hubbatch.core.options import SyncOptions
from airflow_provider_hubbatch.core.pairs import PairSpec
from airflow_provider_hubbatch.core.protocol import checked_object_type


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateOptions(SyncOptions):
    """Which records are linked.

    :param to_object_type: of the records that links lead to; they start from those of the sync's object type.
    :param from_column: the column that names the record that the link starts from; ``to_column``: the other one's.
    :param from_id_property: ``None``: it holds record ids; else the property whose value it holds, which is looked up.
        ``to_id_property``: as this.
    :param label: the link's label, as HubSpot shows it in this direction; ``None``: the unlabeled link.
    :param label_column: the column that holds each row's label; where it is empty: the unlabeled link.
    :param remove: take the links away, or only the label.
    """

    verb: ClassVar[str] = "associate"

    to_object_type: str | None = None
    from_column: str | None = None
    to_column: str | None = None
    from_id_property: str | None = None
    to_id_property: str | None = None
    label: str | None = None
    label_column: str | None = None
    remove: bool = False

    def __post_init__(self) -> None:
        """As the base's.

        :raises SettingsError: naming the option.
        """
        SyncOptions.__post_init__(self)
        self._check_flags("remove")

    @property
    def has_labels(self) -> bool:
        """Whether links have labels."""
        return self.label is not None or self.label_column is not None

    @property
    def linked_type(self) -> str:
        """``to_object_type``.

        :raises SettingsError: it can't be one.
        """
        return checked_object_type(self.to_object_type, "to_object_type")

    @property
    def mapping(self) -> PairSpec:
        """What the rows' columns are, checked.

        :raises SettingsError: naming each option that is wrong.
        """
        return PairSpec.checked(
            from_column=self.from_column,
            to_column=self.to_column,
            from_id_property=self.from_id_property,
            to_id_property=self.to_id_property,
            label=self.label,
            label_column=self.label_column,
            remove=self.remove,
        )
