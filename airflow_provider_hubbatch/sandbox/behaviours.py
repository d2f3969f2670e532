"""The sandbox's switches: what HubSpot is known to do either way, or what nobody has published."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

IdPropertyMixing = Literal["accepted", "refused"]
LifecycleBackward = Literal["ignored", "error"]
MalformedIds = Literal["empty_reply", "row_left_out"]
ReadOnlyWrites = Literal["refused", "ignored"]
UniqueConflict = Literal["CONFLICTING_UNIQUE_VALUE", "CONFLICT", "OBJECT_ALREADY_EXISTS"]
ErrorDetails = Literal["all", "first", "none"]
RetryAfter = Literal["none", "seconds", "milliseconds"]
ScopesIn = Literal["context", "errors"]
RefreshTokenError = Literal["invalid_grant", "BAD_REFRESH_TOKEN"]
CountAt = Literal["arrival", "reply"] | float


@dataclass(frozen=True, kw_only=True)
class Behaviours:
    """How the sandbox behaves where HubSpot may behave either way. Defaults: what is known, or else the harsher case.

    :param trace_ids_isolate_errors: A bad value in a row with an ``objectWriteTraceId`` costs only that row: 207 and
        one error a row that names the trace id. ``False``: it costs the whole batch, 400. (Unknown for update; create
        and upsert always isolate rows that carry a trace id.)
    :param missing_errors_name_trace_ids: ``OBJECT_NOT_FOUND`` names trace ids beside the ids, where they were sent.
    :param results_echo_trace_ids: Results carry the ``objectWriteTraceId`` that was sent.
    :param results_echo_id_property: Results carry the value of the ``idProperty`` that was asked by.
    :param shuffle_results: Results come in another order than the inputs. ``False``: in input order.
    :param null_clears: A ``null`` value empties the property. ``False``: it leaves the property alone.
    :param lifecyclestage_backward: What a backward move of ``lifecyclestage`` gets: ``ignored`` or ``error``.
    :param malformed_ids: A record id that is no number: ``empty_reply`` (2xx without results, nothing is written) or
        ``row_left_out`` (the other rows are written).
    :param merged_ids_write: An update of a merged id reaches the surviving record, still without a result.
    :param mixed_id_properties: Whether one batch may mix different ``idProperty``.
    :param email_identifies_contacts: Update takes ``idProperty: "email"`` for contacts, as the reference page says.
    :param read_only_writes: A read-only property is ``refused`` (400 ``READ_ONLY_VALUE``) or ``ignored``.
    :param unique_conflict: The error for another record's unique value: 400 ``CONFLICTING_UNIQUE_VALUE``, or 409 with
        this category.
    :param errors_quote_value: Messages about a value quote it.
    :param errors_name_nothing: A bad value gets a bare 400 ``VALIDATION_ERROR`` that names neither property nor value.
    :param error_details: The ``errors`` of a refused batch hold every problem, the first only, or are missing.
    :param partly_written: A batch refused with 400 for a row's value has its rows before that one written all the same.
    :param max_body_bytes: A larger body gets 413. ``None``: no limit.
    :param max_value_characters: A longer value is refused. ``None``: no limit.
    :param reply_status: The ``status`` in every batch reply.
    :param rate_limit_headers: Replies carry the ``X-HubSpot-RateLimit-*`` headers.
    :param secondly_headers: They also carry the deprecated ``-Secondly`` pair, with numbers to take no decision on.
    :param retry_after_on_429: ``Retry-After`` on a 429: ``none``, in ``seconds`` or in ``milliseconds``.
    :param category_on_429: A 429's body has ``category: "RATE_LIMITS"``.
    :param count_at: When a request takes its place in the rolling window: at its ``arrival``, at its ``reply``, or at
        this fraction of its latency (0.0 to 1.0).
    :param count_429s: A request that got a 429 takes a place in the rolling window, too.
    :param daily_limit_spares_account_info: The account-info endpoints answer though the daily quota is spent.
    :param missing_scopes_in: Where a 403 names the scopes: in ``context``, or in ``errors[].context``.
    :param bad_refresh_token_error: The error for a bad refresh token.
    """

    trace_ids_isolate_errors: bool = False
    missing_errors_name_trace_ids: bool = True
    results_echo_trace_ids: bool = False
    results_echo_id_property: bool = False
    shuffle_results: bool = True
    null_clears: bool = False
    lifecyclestage_backward: LifecycleBackward = "ignored"
    malformed_ids: MalformedIds = "empty_reply"
    merged_ids_write: bool = False
    mixed_id_properties: IdPropertyMixing = "refused"
    email_identifies_contacts: bool = False
    read_only_writes: ReadOnlyWrites = "refused"
    unique_conflict: UniqueConflict = "CONFLICTING_UNIQUE_VALUE"
    errors_quote_value: bool = True
    errors_name_nothing: bool = False
    error_details: ErrorDetails = "all"
    partly_written: bool = False
    max_body_bytes: int | None = None
    max_value_characters: int | None = None
    reply_status: Literal["COMPLETE", "PENDING", "PROCESSING", "CANCELED"] = "COMPLETE"
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
        hints = get_type_hints(type(self))
        for field in fields(self):
            _check(field.name, getattr(self, field.name), hints[field.name])

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
        unknown = sorted(set(changes) - {field.name for field in fields(self)})
        if unknown:
            names = ", ".join(field.name for field in fields(self))
            raise ValueError(f"No such behaviour: {', '.join(unknown)}. There are: {names}.")
        return replace(self, **changes)


def parse_behaviour(text: str) -> dict[str, Any]:
    """One ``name=value`` of the command line, as keyword arguments of :meth:`Behaviours.changed`."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"{text!r} is no name=value.")
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    if name not in {"retry_after_on_429", "error_details"} and value.lower() in words:
        return {name: words[value.lower()]}
    for number in (int, float):
        try:
            return {name: number(value)}
        except ValueError:
            continue
    return {name: value}


def _check(name: str, value: Any, hint: Any) -> None:
    kinds = get_args(hint) if get_origin(hint) is not Literal and get_args(hint) else (hint,)
    if not any(_fits(value, kind) for kind in kinds):
        raise ValueError(f"Behaviour {name} can't be {value!r}: it takes {hint}.")


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    return isinstance(value, kind)
