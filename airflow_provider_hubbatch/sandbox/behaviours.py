"""The sandbox's switches: what HubSpot is known to do either way, or what nobody has published."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Iterator

IdPropertyMixing = Literal["accepted", "refused"]
ResultsEcho = Literal["sent", "changed", "defaults", "nothing"]
LifecycleBackward = Literal["ignored", "left_out", "error"]
ClearedValues = Literal["by_version", "empty", "null"]
WhiteSpace = Literal["kept", "refused"]
ConditionalRules = Literal["from_2026_09", "always"]
MalformedIds = Literal["empty_reply", "row_left_out"]
ReadOnlyWrites = Literal["refused", "ignored"]
SearchText = Literal["lower_case_only", "any_case"]
UniqueConflict = Literal["CONFLICTING_UNIQUE_VALUE", "CONFLICT", "OBJECT_ALREADY_EXISTS"]
ErrorDetails = Literal["all", "first", "none"]
RetryAfter = Literal["none", "seconds", "milliseconds"]
ScopesIn = Literal["context", "errors", "required_scopes", "missing_scopes", "nowhere"]
ExistingIdIn = Literal["message", "existing_id", "ids"]
MissingKeys = Literal["ids", "coordinates_400", "coordinates_404"]
CreateDuplicates = Literal["refused", "later_conflicts"]
EmailUpserts = Literal["keep_rest", "clear_rest", "all_or_nothing"]
InlineAssociations = Literal["refused", "dropped"]
AssociationHeaders = Literal["own", "objects", "none"]
Unlinked = Literal["error", "left_out"]
RefreshTokenError = Literal["invalid_grant", "BAD_REFRESH_TOKEN"]
CountAt = Literal["arrival", "reply"] | float


@dataclass(frozen=True, kw_only=True)
class Behaviours:
    """How the sandbox behaves where HubSpot may behave either way. Defaults: what is known, or else the harsher case.

    :param trace_ids_isolate_errors: A bad value in a row with an ``objectWriteTraceId`` costs only that row: 207 and
        one error a row that names the trace id. ``False``: it costs the whole batch, 400. (Of update, for which it is
        unknown; in create and upsert, a refused value never costs more than a row with a trace id.)
    :param missing_errors_name_trace_ids: ``OBJECT_NOT_FOUND`` names trace ids beside the ids, where they were sent.
    :param missing_keys: How keys that no record has are told: among the ``ids`` of ``OBJECT_NOT_FOUND``, or as
        ``missingObjectPropertyValueCoordinates`` of a 400 or a 404 for the whole batch.
    :param results_echo: The properties in results: those that were ``sent``, unchanged ones too, those that
        ``changed``, both with the type's ``defaults``; only these; or ``nothing`` at all.
    :param results_echo_trace_ids: Results carry the ``objectWriteTraceId`` that was sent.
    :param results_echo_id_property: Results carry the value of the ``idProperty`` that was asked by. ``False``: only
        if it was sent among the properties, too.
    :param shuffle_results: Results come in another order than the inputs. ``False``: in input order.
    :param null_clears: A ``null`` value empties the property. ``False``: it leaves the property alone.
    :param cleared_values: A cleared property is shown as ``""`` (``empty``) or as ``null``; ``by_version``: as
        ``null`` from 2026-09 on.
    :param lifecyclestage_backward: A backward move of ``lifecyclestage`` is ``ignored``, and the result shows the stage
        as it is; or it is ignored and ``left_out`` of the result; or it is an ``error``.
    :param white_space: Leading and trailing white space of numbers, options and the like is ``kept`` (and mostly not
        valid), or ``refused`` as ``LEADING_TRAILING_WHITESPACE``.
    :param conditional_rules: Admins' rules about required properties hold ``from_2026_09`` or ``always``.
    :param malformed_ids: A record id that is no number: ``empty_reply`` (2xx without results, nothing is written) or
        ``row_left_out`` (the other rows are written).
    :param merged_ids_write: An update or archive of a merged id reaches the surviving record, still without a result.
    :param mixed_id_properties: Whether one batch may mix different ``idProperty``.
    :param email_identifies_contacts: Update takes ``idProperty: "email"`` for contacts, as the reference page says.
    :param read_only_writes: A read-only property is ``refused`` (400 ``READ_ONLY_VALUE``) or ``ignored``.
    :param unique_conflict: The error for another record's unique value: 400 ``CONFLICTING_UNIQUE_VALUE``, or 409 with
        this category.
    :param existing_id_in: Where a conflict inside a 2xx tells the record that has the value: in the ``message`` only,
        as ``existing_id`` in ``context.existingId`` too, or in ``context.ids`` too.
    :param errors_quote_value: Messages about a value quote it.
    :param errors_name_nothing: A bad value gets a bare 400 ``VALIDATION_ERROR`` that names neither property nor value.
    :param error_details: The ``errors`` of a refused batch hold every problem, the first only, or are missing.
    :param reasons_in_details_only: A 4xx with ``errors`` has no ``message`` beside them.
    :param correlation_id_in_bodies: A 4xx or 5xx has its ``correlationId``. ``False``: only the header has it.
    :param partly_written: A batch refused with 400 for a row's value has its rows before that one written all the same.
    :param search_lag_seconds: How long search goes on as if a change hadn't happened (HubSpot: up to a minute).
    :param search_text: ``IN`` and ``NOT_IN`` of a text property find values that are sent in lower case
        (``lower_case_only``, as HubSpot's documentation says), or in ``any_case``.
    :param max_body_bytes: A larger body gets 413. ``None``: no limit.
    :param max_value_characters: A longer value is refused. ``None``: no limit.
    :param reply_status: The ``status`` in every batch reply.
    :param none_found_is_404: ``batch/read`` by a key that no record has, for any input: 404 for the whole batch.
    :param create_conflicts_isolate: ``batch/create`` tells a key that exists inside the 207, of a row with a trace id.
        ``False``: 409 for the whole batch, as without trace ids.
    :param upsert_conflicts_isolate: The same for ``batch/upsert`` and a unique value that another record has.
    :param create_duplicates: Two rows of one ``batch/create`` with the same key: the whole batch is ``refused``, or the
        ``later_conflicts``.
    :param email_upserts: ``batch/upsert`` by email of a contact that exists: the properties that aren't sent stay
        (``keep_rest``), or are emptied (``clear_rest``); or one bad row refuses the batch in spite of trace ids
        (``all_or_nothing``). HubSpot's page: "partial upserts are not supported".
    :param inline_associations: A link that a create asks for to a record that doesn't exist: the row is ``refused``, or
        made without it (``dropped``).
    :param contacts_bring_companies: A new contact makes a company of its email's domain, or finds it, and is linked.
    :param association_ids_as_numbers: ``fromObjectId`` and ``toObjectId`` in replies are numbers. ``False``: texts.
    :param association_archive_status: Of a reply to associations' ``batch/archive``.
    :param association_limit: A record may have so many linked records of a type. ``None``: any number.
    :param association_limit_refuses: A link over that limit is refused as a ``row``, with no word about which, or the
        whole ``batch`` is.
    :param association_headers: The rate limit headers of associations' replies speak of their ``own`` window, of the
        ``objects``', or there are ``none``.
    :param default_links_both_ways: ``associate/default`` tells each link from both sides.
    :param unlinked_in_read: In associations' ``batch/read``, a record without links gets ``NO_ASSOCIATIONS_FOUND`` (an
        ``error`` in the 207), or is ``left_out``.
    :param association_page: Associations' ``batch/read`` gives so many links of a record at once.
    :param date_header: Replies carry HubSpot's ``Date``.
    :param rate_limit_headers: Replies carry the ``X-HubSpot-RateLimit-*`` headers.
    :param secondly_headers: They also carry the deprecated ``-Secondly`` pair, with numbers to take no decision on.
    :param retry_after_on_429: ``Retry-After`` on a 429: ``none``, in ``seconds`` or in ``milliseconds``.
    :param category_on_429: A 429's body has ``category: "RATE_LIMITS"``.
    :param count_at: When a request takes its place in the rolling window: at its ``arrival``, at its ``reply``, or at
        this fraction of its latency (0.0 to 1.0).
    :param count_429s: A request that got a 429 takes a place in the rolling window, too.
    :param daily_limit_spares_account_info: The account-info endpoints answer though the daily limit is exhausted.
    :param missing_scopes_in: Where a 403 names the scopes: in ``context`` or in ``errors[].context``, as
        ``requiredGranularScopes``; there as ``requiredScopes`` (``required_scopes``); in ``context.missingScopes``
        (``missing_scopes``); or ``nowhere``.
    :param bad_refresh_token_error: The error for a bad refresh token.
    """

    trace_ids_isolate_errors: bool = False
    missing_errors_name_trace_ids: bool = True
    missing_keys: MissingKeys = "ids"
    results_echo: ResultsEcho = "sent"
    results_echo_trace_ids: bool = False
    results_echo_id_property: bool = False
    shuffle_results: bool = True
    null_clears: bool = False
    cleared_values: ClearedValues = "by_version"
    lifecyclestage_backward: LifecycleBackward = "ignored"
    white_space: WhiteSpace = "kept"
    conditional_rules: ConditionalRules = "from_2026_09"
    malformed_ids: MalformedIds = "empty_reply"
    merged_ids_write: bool = False
    mixed_id_properties: IdPropertyMixing = "refused"
    email_identifies_contacts: bool = False
    read_only_writes: ReadOnlyWrites = "refused"
    unique_conflict: UniqueConflict = "CONFLICTING_UNIQUE_VALUE"
    existing_id_in: ExistingIdIn = "message"
    errors_quote_value: bool = True
    errors_name_nothing: bool = False
    error_details: ErrorDetails = "all"
    reasons_in_details_only: bool = False
    correlation_id_in_bodies: bool = True
    partly_written: bool = False
    search_lag_seconds: float = field(default=0.0, metadata={"most": 3600})
    search_text: SearchText = "lower_case_only"
    max_body_bytes: int | None = None
    max_value_characters: int | None = None
    reply_status: Literal["COMPLETE", "PENDING", "PROCESSING", "CANCELED"] = "COMPLETE"
    none_found_is_404: bool = False
    create_conflicts_isolate: bool = True
    upsert_conflicts_isolate: bool = False
    create_duplicates: CreateDuplicates = "refused"
    email_upserts: EmailUpserts = "keep_rest"
    inline_associations: InlineAssociations = "refused"
    contacts_bring_companies: bool = False
    association_ids_as_numbers: bool = True
    association_archive_status: Literal[204, 200] = 204
    association_limit: int | None = None
    association_limit_refuses: Literal["row", "batch"] = "row"
    association_headers: AssociationHeaders = "own"
    default_links_both_ways: bool = True
    unlinked_in_read: Unlinked = "error"
    association_page: int = 500
    date_header: bool = True
    rate_limit_headers: bool = True
    secondly_headers: bool = False
    retry_after_on_429: RetryAfter = "none"
    category_on_429: bool = False
    count_at: CountAt = "arrival"
    count_429s: bool = False
    daily_limit_spares_account_info: bool = False
    missing_scopes_in: ScopesIn = "context"
    bad_refresh_token_error: RefreshTokenError = "invalid_grant"  # noqa: S105 - an error code

    def __post_init__(self) -> None:
        for name, (hint, most) in _kinds().items():
            value = getattr(self, name)
            if not _fits_any(value, hint, most):
                raise ValueError(f"Behaviour {name} can't be {value!r}: it takes {hint}.")

    @property
    def count_fraction(self) -> float:
        """The share of a request's latency that passes before it is counted."""
        if isinstance(self.count_at, str):
            return 1.0 if self.count_at == "reply" else 0.0
        return self.count_at

    def changed(self, **changes: Any) -> Behaviours:
        """These behaviours with some switched.

        :raises ValueError: for a name or a value that doesn't exist.
        """
        unknown = sorted(set(changes) - {one.name for one in fields(self)})
        if unknown:
            names = ", ".join(one.name for one in fields(self))
            raise ValueError(f"No such behaviour: {', '.join(unknown)}. There are: {names}.")
        return replace(self, **changes)


def parse_behaviour(text: str) -> dict[str, Any]:
    """One ``name=value`` of the command line, as keyword arguments of :meth:`Behaviours.changed`."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"{text!r} is no name=value.")
    hint, most = _kinds().get(name, (None, 0.0))
    return {name: next((reading for reading in _readings(value) if _fits_any(reading, hint, most)), value)}


@cache
def _kinds() -> dict[str, tuple[Any, float]]:
    """Each behaviour's type, and the most that its numbers may be."""
    hints = get_type_hints(Behaviours)
    return {one.name: (hints[one.name], one.metadata.get("most", 1.0)) for one in fields(Behaviours)}


def _readings(text: str) -> Iterator[Any]:
    yield text
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        yield words[text.lower()]
    for number in (int, float):
        with suppress(ValueError):
            yield number(text)


def _fits_any(value: Any, hint: Any, most: float) -> bool:
    kinds = get_args(hint) if get_origin(hint) is not Literal and get_args(hint) else (hint,)
    return any(_fits(value, kind, most) for kind in kinds)


def _fits(value: Any, kind: Any, most: float) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return is_number and 0 <= value <= most
    if kind is int:
        return isinstance(value, int) and is_number and value > 0
    return kind is not None and isinstance(value, kind)
