"""HubSpot's replies and the words of its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

JSON_TYPE = "application/json;charset=utf-8"
_SCOPES_PAGE = "https://developers.hubspot.com/scopes"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One HTTP reply.

    :param cut: Where the connection is closed instead: before the reply's first byte, or in its midst.
    :param drip_seconds: How long the body takes to arrive, in small pieces.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    cut: Literal["before_reply", "during_reply"] | None = None
    drip_seconds: float = 0.0


class RefusedError(Exception):
    """HubSpot answers with an error instead of doing what was asked.

    :param body: Its JSON body, without the correlation id.
    """

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(body.get("message", status))
        self.status = status
        self.body = body
        self.headers = headers or {}

    def reply(self, correlation_id: str | None, *, in_details_only: bool = False) -> Reply:
        """The refusal as a reply.

        :param correlation_id: For its body; ``None``: only the header is to have it.
        :param in_details_only: Where its ``errors`` give reasons, there is no ``message`` beside them.
        """
        body = self.body
        if in_details_only and body.get("errors"):
            body = {key: value for key, value in body.items() if key != "message"}
        if correlation_id is not None and "correlationId" not in body:
            body = {**body, "correlationId": correlation_id}
        return json_reply(self.status, body, self.headers)


def json_reply(status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
    """A reply with a JSON body."""
    return Reply(status=status, body=orjson.dumps(body), headers=headers or {})


def error_body(message: str | None, category: str | None = None, **more: Any) -> dict[str, Any]:
    """HubSpot's error object; keys that hold nothing are left out, as its replies do."""
    body = {"status": "error", "message": message, "category": category, **more}
    return {key: value for key, value in body.items() if value}


def validation_error(message: str | None, **more: Any) -> RefusedError:
    """400 ``VALIDATION_ERROR``."""
    return RefusedError(400, error_body(message, "VALIDATION_ERROR", **more))


def not_found(message: str = "resource not found") -> RefusedError:
    """404 ``OBJECT_NOT_FOUND``."""
    return RefusedError(404, error_body(message, "OBJECT_NOT_FOUND"))


def unauthorized(expired_days: int | None) -> RefusedError:
    """401: no token at all, or one that "expired" so many days ago (a garbage token says so too)."""
    if expired_days is None:
        message = (
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
            "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
        )
        return RefusedError(401, error_body(message, "INVALID_AUTHENTICATION"))
    message = f"The OAuth token used to make this call expired {expired_days} day(s) ago."
    return RefusedError(401, error_body(message, "EXPIRED_AUTHENTICATION"))


def method_not_allowed() -> RefusedError:
    """405, as for a GET of a batch."""
    return RefusedError(405, error_body("HTTP 405 Method Not Allowed"))


def missing_scopes(scopes: tuple[str, ...], where: str) -> RefusedError:
    """403 ``MISSING_SCOPES``.

    :param where: Which part of the body names the scopes: see ``Behaviours.missing_scopes_in``.
    """
    key = "requiredScopes" if where == "required_scopes" else "requiredGranularScopes"
    detail = {"message": "One or more of the following scopes are required.", "context": {key: list(scopes)}}
    more: dict[str, Any] = {}
    match where:
        case "context":
            more["context"] = {"requiredGranularScopes": list(scopes)}
        case "missing_scopes":
            more["context"] = {"missingScopes": list(scopes)}
        case "errors" | "required_scopes":
            more["errors"] = [detail]
    message = (
        "This app hasn't been granted all required scopes to make this call. "
        f"Read more about required scopes here: {_SCOPES_PAGE}."
    )
    return RefusedError(403, error_body(message, "MISSING_SCOPES", links={"scopes": _SCOPES_PAGE}, **more))


def rate_limited(policy_name: str, *, category: bool, retry_after: str | None) -> RefusedError:
    """429 of a policy: ``TEN_SECONDLY_ROLLING``, ``SECONDLY`` or ``DAILY``."""
    body = {
        "status": "error",
        "message": f"You have reached your {policy_name.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "policyName": policy_name,
    }
    if category:
        body["category"] = "RATE_LIMITS"
    return RefusedError(429, body, {} if retry_after is None else {"Retry-After": retry_after})
