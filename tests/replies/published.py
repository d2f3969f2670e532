"""Replies of HubSpot's that others have published: its documentation, issues and tests of public projects.

Each is told in our own words and values: what matters is which fields there are, where, and of which type. ``source``
says where its like was seen. In every text, what stands in angle brackets is filled in from the request: ``<id>``,
``<trace>`` and ``<value>`` of the first row in it that the reply is about; ``["<ids>"]`` is a list of the ids of all
such rows, ``["<traces>"]`` of their trace ids, ``["<coordinates>"]`` of their ids behind a type and a property.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

# The correlation id of a body, and that of the reply's header: the body's is about the error itself.
IN_BODY, IN_HEADER = "5f1c07aa-body", "5f1c07aa-header"

NOT_FOUND = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
AUTH_DOCS = "This API supports OAuth 2.0 authentication and you can find more details at https://developers.example"


def invalid(*entries: dict[str, Any]) -> str:
    """The message of a refusal for values: a JSON list after a few words."""
    return "Property values were not valid: " + json.dumps([{"isValid": False, **one} for one in entries])


def body(message: str | None, category: str | None = None, **more: Any) -> dict[str, Any]:
    """An error's usual fields, with its correlation id."""
    told = {"status": "error", "message": message, "correlationId": IN_BODY, "category": category, **more}
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Refusal:
    """A request refused whole as long as one of the bad rows is in it; alone, the other rows are written.

    :param message: what the bad row's outcome says, or the beginning of it.
    :param category: what its outcome has.
    :param bad: how many rows it is about: row 2, then row 3.
    :param properties: what the bad rows have beside a city; ``<value>`` is the first of them.
    :param others: what one of the good rows has beside a city.
    :param key: rows are named by a unique property.
    :param correlation_id: what its outcome has.
    """

    source: str
    status: int
    body: Any
    category: str
    message: str
    bad: int = 1
    properties: dict[str, str] = field(default_factory=lambda: {"plan": "Veza"})
    others: dict[str, str] = field(default_factory=dict)
    key: bool = False
    correlation_id: str = IN_BODY


@dataclass(frozen=True)
class Beside:
    """An error beside the results of the other rows, in a 2xx; its correlation id is in the header.

    :param errors: the reply's ``errors``.
    :param key: rows are named by a unique property.
    """

    source: str
    errors: list[Any]
    category: str
    message: str
    bad: int = 1
    key: bool = False
    correlation_id: str = IN_HEADER


@dataclass(frozen=True)
class End:
    """What ends the sync, or the request, at the first reply.

    :param error: the exception's class.
    :param says: the exception's text has this.
    :param scopes: the exception names these.
    """

    source: str
    status: int
    body: Any
    error: str
    says: str
    scopes: tuple[str, ...] = ()
    correlation_id: str = IN_BODY


@dataclass(frozen=True)
class Single:
    """A reply to a single request of ``hook.request``, which is refused.

    :param message: HubSpot's words, as the exception keeps them.
    """

    source: str
    status: int
    body: Any
    category: str
    message: str | None
    correlation_id: str = IN_BODY


@dataclass(frozen=True)
class Silence:
    """A 2xx that says nothing of a row, which has not been written.

    :param empties: it says nothing of the other rows of its request either.
    :param merged_into: the record that the row's id leads to, if any.
    :param status: of the row's outcome.
    """

    source: str
    status: str
    category: str
    empties: bool = False
    merged_into: str | None = None


@dataclass(frozen=True)
class Passing:
    """What passes: the request is sent again, and then every row is written."""

    source: str
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Duplicates:
    """A request refused as long as two certain rows are in it; alone, each is written."""

    source: str
    status: int
    body: Any


@dataclass(frozen=True)
class Accepted:
    """A success with an unusual shape: every row is updated, by one request.

    :param reply: beside the results.
    """

    source: str
    status: int
    reply: dict[str, Any]


REFUSALS = {
    "two properties that don't exist": Refusal(
        "Xano's action for HubSpot contacts, its documented error",
        400,
        body(
            invalid(
                {
                    "message": 'Property "plan" does not exist',
                    "error": "PROPERTY_DOESNT_EXIST",
                    "name": "plan",
                    "localizedErrorMessage": 'Property "plan" does not exist',
                    "portalId": 1,
                },
                {"message": 'Property "tier" does not exist', "error": "PROPERTY_DOESNT_EXIST", "name": "tier"},
            ),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"plan": "a", "tier": "b"},
    ),
    "the same properties, for several rows": Refusal(
        "amp-labs/connectors, providers/hubspot/test/batch/update/contacts/err-many-invalid-properties.json",
        400,
        body(
            invalid(
                *[
                    {"message": f'Property "{name}" does not exist', "error": "PROPERTY_DOESNT_EXIST", "name": name}
                    for name in ("plam", "tear", "plam", "tear")
                ]
            ),
            "VALIDATION_ERROR",
            errors=[
                {
                    "message": f'Property "{name}" does not exist',
                    "code": "PROPERTY_DOESNT_EXIST",
                    "context": {"propertyName": [name]},
                }
                for name in ("plam", "tear", "plam")
            ],
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        bad=2,
        properties={"plam": "a", "tear": "b"},
    ),
    "an email address": Refusal(
        "Atlas-Authority/marketing-automation, issue 174",
        400,
        body(
            invalid({"message": "Email address <value> is invalid", "error": "INVALID_EMAIL", "name": "email"}),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"email": "name@domain.nowhere"},
    ),
    "an owner's id": Refusal(
        "crowdbotics/modules, tests of django_hubspot",
        400,
        body(
            invalid(
                {
                    "message": "<value> was not a valid integer (for owner ID).",
                    "error": "INVALID_INTEGER",
                    "name": "hubspot_owner_id",
                }
            ),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"hubspot_owner_id": "29947847357121"},
    ),
    "blanks around a value": Refusal(
        "HubSpot's changelog, Enhanced Validations for Non-String Properties",
        400,
        body(
            invalid(
                {
                    "message": '"<value>" includes leading or trailing whitespace.',
                    "error": "LEADING_TRAILING_WHITESPACE",
                    "name": "plan",
                }
            ),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"plan": " gold"},
    ),
    "an option, with the details beside the list": Refusal(
        "Dbaldauf147/prospect-tracker, scripts/hubspotError.test.mjs",
        400,
        body(
            invalid(
                {
                    "message": "<value> was not one of the allowed options: [Procurement, Hide, Left, Test]",
                    "error": "INVALID_OPTION",
                    "name": "plan",
                }
            ),
            "VALIDATION_ERROR",
            errors=[
                {
                    "message": "<value> was not one of the allowed options: [Procurement, Hide, Left, Test]",
                    "code": "INVALID_OPTION",
                    "context": {"propertyName": ["plan"]},
                }
            ],
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
    ),
    "an option, as HubSpot prints its options": Refusal(
        "a public mirror of HubSpot's API, its notes on captures of 2020 to 2025",
        400,
        body(
            invalid(
                {
                    "message": '<value> was not one of the allowed options: [label: "Free"\nvalue: "free"\n'
                    "display_order: 0\nhidden: false\nread_only: false\n]",
                    "error": "INVALID_OPTION",
                    "name": "plan",
                    "propertyValue": "<value>",
                    "portalId": 1,
                }
            ),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
    ),
    "an option, named in a detail without code or property": Refusal(
        "a public WordPress plugin, tests of its HubSpot client",
        400,
        body(
            "Property values were not valid",
            "VALIDATION_ERROR",
            errors=[{"message": "<value> was not one of the allowed options"}],
        ),
        "VALIDATION_ERROR",
        "Property values were not valid",
    ),
    "an option, in a list without a code": Refusal(
        "a public web shop's HubSpot module, its tests",
        400,
        {
            "category": "VALIDATION_ERROR",
            "message": "Property values were not valid: "
            '[{"name":"plan","message":"<value> was not one of the allowed options"}]',
        },
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        correlation_id=IN_HEADER,
    ),
    "a list inside a detail": Refusal(
        "jeremylongshore/claude-code-plugins-plus-skills, hubspot-common-errors",
        400,
        body(
            "One or more validation errors occurred",
            "VALIDATION_ERROR",
            errors=[
                {
                    "message": invalid({"message": "<value> is odd", "error": "INVALID_OPTION", "name": "plan"}),
                    "context": {"propertyName": "plan"},
                }
            ],
        ),
        "VALIDATION_ERROR",
        "One or more validation errors occurred",
    ),
    "a calculated property": Refusal(
        "mautic/mautic, pull request 8785",
        400,
        {
            "validationResults": [
                {
                    "isValid": False,
                    "message": '"score" is a calculated property; its value cannot be set.',
                    "error": "READ_ONLY_VALUE",
                    "name": "score",
                }
            ],
            "status": "error",
            "message": "Property values were not valid",
            "correlationId": IN_BODY,
        },
        "READ_ONLY_VALUE",
        "Property values were not valid",
        properties={"score": "5"},
    ),
    "a property that doesn't exist, in validation results": Refusal(
        "hubspot-net/HubSpot.NET, issue 50",
        400,
        {
            "validationResults": [
                {
                    "isValid": False,
                    "message": 'Property "plan" does not exist',
                    "error": "PROPERTY_DOESNT_EXIST",
                    "name": "plan",
                }
            ],
            "status": "error",
            "message": "Property values were not valid",
            "requestId": "r-1",
        },
        "PROPERTY_DOESNT_EXIST",
        "Property values were not valid",
        correlation_id=IN_HEADER,
    ),
    "a day that is no midnight": Refusal(
        "hubspot-net/HubSpot.NET, issue 98",
        400,
        {
            "validationResults": [
                {
                    "isValid": False,
                    "message": "<value> is at 20:36:1.954 UTC, not midnight!",
                    "error": "INVALID_DATE",
                    "name": "trial_end",
                }
            ],
            "status": "error",
            "message": "Property values were not valid",
            "correlationId": IN_BODY,
        },
        "INVALID_DATE",
        "Property values were not valid",
        properties={"trial_end": "1606768561954"},
    ),
    "a number that is none": Refusal(
        "verbb/formie, issue 1755; hull/hull-connectors, tests",
        400,
        body(
            invalid({"message": "<value> was not a valid long.", "error": "INVALID_LONG", "name": "trial_end"}),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"trial_end": "1/1/1"},
    ),
    "a property that doesn't exist, in the details only": Refusal(
        "HubSpot's documentation, Error handling",
        400,
        body(
            "Property values were not valid",
            "VALIDATION_ERROR",
            errors=[
                {
                    "message": 'Property "plan" does not exist',
                    "code": "PROPERTY_DOESNT_EXIST",
                    "context": {"propertyName": ["plan"]},
                }
            ],
        ),
        "VALIDATION_ERROR",
        "Property values were not valid",
    ),
    "a detail that says in what": Refusal(
        "HubSpot's legacy documentation, API error responses",
        400,
        body(
            "This is what went wrong with the request",
            "VALIDATION_ERROR",
            errors=[{"message": "and this in particular", "in": "plan"}],
        ),
        "VALIDATION_ERROR",
        "This is what went wrong with the request",
    ),
    "an error of which the OpenAPI description gives an example": Refusal(
        "api-evangelist/hubspot, examples of errors",
        400,
        body(
            "Invalid input (details will vary based on the error)",
            "VALIDATION_ERROR",
            subCategory="standard",
            context={"invalidPropertyName": ["propertyValue"]},
            links={"knowledge-base": "https://www.example.com"},
            errors=[
                {
                    "message": "Required property 'path' is missing",
                    "code": "MISSING_REQUIRED_PROPERTY",
                    "subCategory": "standard",
                    "in": "body",
                    "context": {"key": "value"},
                }
            ],
        ),
        "VALIDATION_ERROR",
        "Invalid input (details will vary based on the error)",
    ),
    "a conditional rule": Refusal(
        "HubSpot's changelog, CRM API Write Validation Enforcement",
        400,
        body(
            "A property is required here",
            "VALIDATION_ERROR",
            errors=[
                {
                    "message": "close_date is required when stage is won",
                    "code": "MISSING_CONDITIONAL_REQUIRED_PROPERTY",
                    "context": {"propertyName": ["close_date"]},
                }
            ],
        ),
        "VALIDATION_ERROR",
        "A property is required here",
        properties={"stage": "won"},
        others={"stage": "won", "close_date": "2026-10-01"},
    ),
    "a conditional rule without words of its own": Refusal(
        "HubSpot's changelog, CRM API Write Validation Enforcement; replies of 2026-09",
        400,
        body(
            None,
            "VALIDATION_ERROR",
            errors=[
                {"message": "close_date is required when stage is won", "code": "MISSING_CONDITIONAL_REQUIRED_PROPERTY"}
            ],
        ),
        "VALIDATION_ERROR",
        "close_date is required when stage is won",
        properties={"stage": "won"},
    ),
    "properties that are required": Refusal(
        "HubSpot's changelog, CRM Imports API, required properties",
        400,
        body(
            "Some required properties for CONTACT are missing: [One of [firstname, email, lastname]]",
            "VALIDATION_ERROR",
            context={"CONTACT properties": ["[notes]"]},
        ),
        "VALIDATION_ERROR",
        "Some required properties for CONTACT are missing",
    ),
    "properties named in the context": Refusal(
        "wrenvironmental/wre.hubspot.apiclient, its model of an error",
        400,
        body("Some required properties were not set.", "VALIDATION_ERROR", context={"properties": ["dealname"]}),
        "VALIDATION_ERROR",
        "Some required properties were not set.",
    ),
    "a pipeline's stage": Refusal(
        "a public ticketing integration, an error that its code looks for",
        400,
        body(
            "<value> is not a valid pipeline stage ID. Valid options are: pipelineId=default : [new, waiting, closed]",
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "<value> is not a valid pipeline stage ID.",
        properties={"hs_pipeline_stage": "registered"},
        others={"hs_pipeline_stage": "registered", "hs_pipeline": "7"},
    ),
    "another record's unique value": Refusal(
        "a public construction-software sync, an error that its code looks for",
        400,
        body(
            invalid(
                {
                    "message": "<value> is not unique: record 77 has it",
                    "error": "CONFLICTING_UNIQUE_VALUE",
                    "name": "project_number",
                }
            ),
            "VALIDATION_ERROR",
        ),
        "VALIDATION_ERROR",
        "Property values were not valid: [",
        properties={"project_number": "P-1"},
    ),
    "a contact that exists": Refusal(
        "HubSpot/hubspot-api-nodejs, issue 545; stape-io/hubspot-tag, issue 7; HubSpot/hubspot-api-php, issue 59",
        409,
        body("Contact already exists. Existing ID: 37765", "CONFLICT"),
        "CONFLICT",
        "Contact already exists. Existing ID: 37765",
        properties={"email": "ann@example.com"},
    ),
    "contacts that exist, of several": Refusal(
        "HubSpot/hubspot-api-python, issue 51; amp-labs/connectors, .../batch/create/contacts/err-conflict.json",
        409,
        body("Contact already exists", "CONFLICT"),
        "CONFLICT",
        "Contact already exists",
        bad=2,
        properties={"email": "ann@example.com"},
    ),
    "a contact that exists, with its identity": Refusal(
        "HubSpot Community, Updated 409 Conflict responses; PipedreamHQ/pipedream, issue 11236",
        409,
        {
            "message": "Contact already exists. Existing ID: 29265",
            "identityProfile": {
                "vid": 29265,
                "identity": [{"value": "<value>", "type": "EMAIL", "timestamp": 1665417061370, "isPrimary": True}],
                "linkedVid": [29283],
                "isContact": True,
            },
            "errors": [{"message": "A contact with email <value> already exists. Existing ID: 29265", "in": "email"}],
            "status": "error",
            "correlationId": IN_BODY,
            "category": "OBJECT_ALREADY_EXISTS",
            "error": "CONTACT_EXISTS",
        },
        "OBJECT_ALREADY_EXISTS",
        "Contact already exists. Existing ID: 29265",
        properties={"email": "ann@example.com"},
    ),
    "a row that the error's context names": Refusal(
        "HubSpot's documentation, Error handling: objectWriteTraceId",
        400,
        body("No.", "VALIDATION_ERROR", context={"objectWriteTraceId": ["<traces>"]}),
        "VALIDATION_ERROR",
        "No.",
        bad=2,
    ),
    "values of a unique property that no record has, as coordinates": Refusal(
        "a public sync of accounts to a custom object, the field that its code reads",
        404,
        body(
            "Some objects don't exist",
            "OBJECT_NOT_FOUND",
            context={"missingObjectPropertyValueCoordinates": ["<coordinates>"]},
        ),
        "OBJECT_NOT_FOUND",
        "Some objects don't exist",
        bad=2,
        key=True,
    ),
    "the same in a validation error": Refusal(
        "a public sync of accounts to a custom object, the field that its code reads",
        400,
        body("No.", "VALIDATION_ERROR", context={"missingObjectPropertyValueCoordinates": ["<coordinates>"]}),
        "OBJECT_NOT_FOUND",
        "No.",
        key=True,
    ),
    "an error with its words in the body only": Refusal(
        "HubSpot/hubspot-php, issue 295",
        400,
        body("Property name must be lowercase, but given: hs_date_01A", requestId="r-1"),
        "HTTP_400",
        "Property name must be lowercase, but given: hs_date_01A",
    ),
    "a value of a wrong type": Refusal(
        "Chinchilla-Software-Com/HubSpot.NET, issue 23; HubSpot/hubspot-api-python, issue 307",
        400,
        body("Invalid input JSON on line 1, column 92: Cannot deserialize value of type `java.lang.String`"),
        "HTTP_400",
        "Invalid input JSON on line 1, column 92",
    ),
}

BESIDES = {
    "ids that don't exist": Beside(
        "valmi-io/valmi-activation; HubSpot/hubspot-api-php, issue 619",
        [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": NOT_FOUND, "context": {"ids": ["<ids>"]}}],
        "OBJECT_NOT_FOUND",
        NOT_FOUND,
        bad=2,
    ),
    "an id that doesn't exist, with its trace id": Beside(
        "rudderlabs/rudder-transformer, tests of the destination hs",
        [
            {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": NOT_FOUND,
                "context": {"ids": ["<ids>"], "objectWriteTraceId": ["<traces>"]},
            }
        ],
        "OBJECT_NOT_FOUND",
        NOT_FOUND,
    ),
    "values of a unique property that no record has": Beside(
        "HubSpot/hubspot-api-php, issue 619",
        [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": NOT_FOUND, "context": {"ids": ["<ids>"]}}],
        "OBJECT_NOT_FOUND",
        NOT_FOUND,
        bad=2,
        key=True,
    ),
    "an id that is none": Beside(
        "amp-labs/connectors, providers/hubspot/test/batch/update/contacts/err-partial-success.json",
        [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": NOT_FOUND, "context": {"ids": [""]}}],
        "OBJECT_NOT_FOUND",
        NOT_FOUND,
    ),
    "a malformed id, with words in the context": Beside(
        "amp-labs/connectors, providers/hubspot/test/batch/read/campaigns/multi-207.json",
        [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "subCategory": "CampaignApiError.INVALID_REQUEST",
                "message": "Invalid request: 'Invalid GUID format: <id>'",
                "context": {"message": ["Invalid GUID format: <id>"]},
            }
        ],
        "VALIDATION_ERROR",
        "Invalid request: 'Invalid GUID format: <id>'",
    ),
    "a value, told by trace id": Beside(
        "HubSpot's documentation, Error handling: multi-status errors",
        [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": "A value is not valid",
                "context": {"objectWriteTraceId": ["<traces>"]},
            }
        ],
        "VALIDATION_ERROR",
        "A value is not valid",
    ),
    "a value, told by trace id, with HubSpot's list": Beside(
        "HubSpot/hubspot-api-ruby, issue 403",
        [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": invalid({"message": "Enter a number", "error": "INVALID_FLOAT", "name": "plan"}),
                "context": {"objectWriteTraceId": ["<traces>"]},
            }
        ],
        "VALIDATION_ERROR",
        "Property values were not valid: [",
    ),
    "an address, told by trace id": Beside(
        "rudderlabs/rudder-transformer, tests of batch upsert",
        [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": 'Property value "<value>" is not a valid email',
                "context": {"objectWriteTraceId": "<trace>"},
            }
        ],
        "VALIDATION_ERROR",
        'Property value "<value>" is not a valid email',
    ),
    "a conflict that names the other record": Beside(
        "an integration's tests of replies with trace ids",
        [
            {
                "status": "error",
                "category": "CONFLICT",
                "message": "Contact already exists. Existing ID: 501",
                "context": {"objectWriteTraceId": ["<traces>"], "ids": ["501"]},
            }
        ],
        "CONFLICT",
        "Contact already exists. Existing ID: 501",
    ),
    "a conflict that names the other record by a key of its own": Beside(
        "amp-labs/connectors, providers/hubspot/test/batch/create/contacts/err-partial-success.json",
        [
            {
                "status": "error",
                "category": "CONFLICT",
                "message": "Contact already exists",
                "context": {"objectWriteTraceId": ["<traces>"], "existingId": ["501"]},
            }
        ],
        "CONFLICT",
        "Contact already exists",
    ),
    "no permission for a record": Beside(
        "a public error-handling demo of CRM connectors",
        [
            {
                "status": "error",
                "category": "FORBIDDEN",
                "message": "The integration user does not have permission to edit contacts.",
                "context": {"objectWriteTraceId": ["<traces>"]},
            }
        ],
        "FORBIDDEN",
        "The integration user does not have permission to edit contacts.",
    ),
    "a stage, of no row": Beside(
        "a public deal router, its tests of a 200 with errors",
        [{"category": "VALIDATION_ERROR", "message": "dealstage is not a valid pipeline stage ID"}],
        "VALIDATION_ERROR",
        "dealstage is not a valid pipeline stage ID",
    ),
    "an identifier of associations": Beside(
        "ballerina-platform, mock of HubSpot's associations",
        [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "subCategory": "crm.associations.INVALID_IDENTIFIER",
                "message": "<id> is not valid",
                "context": {"id": ["<ids>"], "fromObjectType": ["CONTACT"]},
            }
        ],
        "VALIDATION_ERROR",
        "<id> is not valid",
    ),
    "a subcategory alone": Beside(
        "HubSpot's OpenAPI descriptions: category may be left out in replies",
        [{"subCategory": "crm.OBJECT_LOCKED", "message": "locked", "context": {"ids": "<id>"}}],
        "crm.OBJECT_LOCKED",
        "locked",
    ),
}

ENDS = {
    "no such token": End(
        "HubSpot/hubspot-api-ruby, issue 181",
        401,
        body(f"Authentication credentials not found. {AUTH_DOCS}", "INVALID_AUTHENTICATION"),
        "AuthenticationError",
        "doesn't accept the access token",
    ),
    "a token that expired": End(
        "airbytehq/airbyte, issue 74726",
        401,
        body(
            "The OAuth token used to make this call expired 0 second(s) ago.",
            "EXPIRED_AUTHENTICATION",
            context={"expire time": ["2026-03-10T23:04:41.164Z"]},
        ),
        "AuthenticationError",
        "401 EXPIRED_AUTHENTICATION",
    ),
    "an example token": End(
        "HubSpot/hubspot-api-php, issue 363",
        401,
        {"status": "error", "message": "The OAuth token used to make this call expired 19884 day(s) ago."},
        "AuthenticationError",
        "Put a valid one into the connection's password",
        correlation_id=IN_HEADER,
    ),
    "a token that expired, with the status told twice": End(
        "ToolJet/ToolJet, issue 17192",
        401,
        body("expired 5 hour(s) ago.", "EXPIRED_AUTHENTICATION", statusCode=401, statusMessage="Unauthorized"),
        "AuthenticationError",
        "EXPIRED_AUTHENTICATION",
    ),
    "scopes, as required ones": End(
        "HubSpot/hubspot-api-nodejs, issue 268",
        403,
        body(
            "This app hasn't been granted all required scopes to make this call.",
            "MISSING_SCOPES",
            errors=[{"message": "One or more of these are required.", "context": {"requiredScopes": ["contacts"]}}],
            links={"scopes": "https://developers.example/scopes"},
        ),
        "MissingScopesError",
        "Give its app the scopes contacts",
        ("contacts",),
    ),
    "scopes, as granular ones": End(
        "HubSpot/hubspot-api-nodejs, issue 50; hubspot.com, community reports",
        403,
        body(
            "This app hasn't been granted all required scopes to make this call.",
            "MISSING_SCOPES",
            errors=[
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": ["crm.objects.contacts.write", "tickets"]},
                }
            ],
        ),
        "MissingScopesError",
        "crm.objects.contacts.write, tickets",
        ("crm.objects.contacts.write", "tickets"),
    ),
    "scopes, beside links": End(
        "amp-labs/connectors, providers/hubspot/test/metadata-err-schemas-scope.json",
        403,
        body(
            "One or more of the following scopes are required.",
            "MISSING_SCOPES",
            context={"requiredGranularScopes": ["custom-object-write"], "links": ["https://developers.example"]},
        ),
        "MissingScopesError",
        "the scopes custom-object-write",
        ("custom-object-write",),
    ),
    "nothing but a status": End(
        "airbytehq/airbyte, source-hubspot/unit_tests/test_entitlement_gated_streams.py",
        403,
        {},
        "MissingScopesError",
        "the scopes that this needs",
        correlation_id=IN_HEADER,
    ),
    "scopes, as missing ones": End(
        "api-evangelist/hubspot, examples of errors",
        403,
        body("no", "MISSING_SCOPES", context={"missingScopes": ["crm.objects.contacts.write"]}),
        "MissingScopesError",
        "the scopes crm.objects.contacts.write",
        ("crm.objects.contacts.write",),
    ),
    "scopes, in a sentence": End(
        "Dbaldauf147/prospect-tracker, its reader of HubSpot's errors",
        403,
        body(
            "This app hasn't been granted all required scopes to make this call.",
            "MISSING_SCOPES",
            errors=[
                {"message": "One or more of the following scopes are required: crm.objects.contacts.write, tickets."}
            ],
        ),
        "MissingScopesError",
        "crm.objects.contacts.write, tickets",
        ("crm.objects.contacts.write", "tickets"),
    ),
    "a firewall's page": End(
        "a public course's sync to HubSpot, its notes on Cloudflare",
        403,
        b"<!DOCTYPE html><html><body>Sorry, you have been blocked</body></html>",
        "SettingsError",
        "the reply's body is no JSON object: a firewall or a proxy answered",
        correlation_id=IN_HEADER,
    ),
    "the daily limit": End(
        "HubSpot's documentation, API usage guidelines",
        429,
        body("You have reached your daily limit.", errorType="RATE_LIMIT", policyName="DAILY", requestId="r-1"),
        "DailyQuotaError",
        "daily API limit is exhausted",
    ),
    "the daily limit, told by the message alone": End(
        "HubSpot's documentation, API usage guidelines",
        429,
        {"status": "error", "message": "You have reached your daily limit.", "category": "RATE_LIMITS"},
        "DailyQuotaError",
        "daily API limit is exhausted",
        correlation_id=IN_HEADER,
    ),
    "an object type that isn't there": End(
        "amp-labs/connectors, providers/hubspot/test/search/error-invalid-object.json",
        400,
        body("Unable to infer object type from: contacts"),
        "SettingsError",
        "object_type 'contacts' is unknown",
    ),
    "a property that isn't unique": End(
        "segmentio/action-destinations, pull request 3957",
        400,
        body("Unable to perform update/upsert by non-unique 0-1 property ext in portal ID 1", "VALIDATION_ERROR"),
        "SettingsError",
        "its values aren't unique",
    ),
    "a property that isn't unique, without a category": End(
        "HubSpot/hubspot-api-nodejs, issue 548",
        400,
        body("Unable to perform update/upsert by non-unique 0-1 property ext"),
        "SettingsError",
        "its values aren't unique",
    ),
}

SINGLES = {
    "no such record": Single(
        "solspace/craft-freeform, issue 2137", 404, body("resource not found"), "HTTP_404", "resource not found"
    ),
    "no such record, by a word": Single(
        "a public mirror of HubSpot's API, its notes on captures",
        404,
        body("Object not found.  objectId are usually numeric.", "OBJECT_NOT_FOUND", context={"id": ["x@example.com"]}),
        "OBJECT_NOT_FOUND",
        "Object not found.  objectId are usually numeric.",
    ),
    "no such property": Single(
        "a public mirror of HubSpot's API, a recorded reply",
        404,
        body("no such property", "OBJECT_NOT_FOUND", subCategory="PROPERTY_DOESNT_EXIST", links={"docs": "x"}),
        "OBJECT_NOT_FOUND",
        "no such property",
    ),
    "too many inputs": Single(
        "a public clinic's sync to HubSpot, its post-mortem",
        400,
        body("The maximum number of inputs supported in a batch is 100. Please reduce it.", "VALIDATION_ERROR"),
        "VALIDATION_ERROR",
        "The maximum number of inputs supported in a batch is 100. Please reduce it.",
    ),
    "a body of another shape": Single(
        "HubSpot/hubspot-api-php, issue 227",
        400,
        body("Invalid input JSON on line 1, column 1: Cannot deserialize value"),
        "HTTP_400",
        "Invalid input JSON on line 1, column 1: Cannot deserialize value",
    ),
    "a property that must be there": Single(
        "amp-labs/connectors, providers/hubspot/internal/marketing/test/create/bad-request.json",
        400,
        body("Campaign create request must include 'hs_name' property."),
        "HTTP_400",
        "Campaign create request must include 'hs_name' property.",
    ),
    "nothing at all": Single("HubSpot/hubspot-php, issue 47", 400, b"", "HTTP_400", None, IN_HEADER),
}

SILENCES = {
    "a success of nothing": Silence(
        "HubSpot/hubspot-api-nodejs, issue 26; rudderlabs/rudder-transformer, hs/dataDelivery/silentFailure.ts",
        "unknown",
        "NO_ANSWER",
        empties=True,
    ),
    "an id that was merged": Silence(
        "rudderlabs/rudder-transformer, hs/dataDelivery/upsert.ts: a merged id left out",
        "rejected",
        "OBJECT_MERGED",
        merged_into="900",
    ),
}

DUPLICATES = {
    "ids that are taken for one": Duplicates(
        "amp-labs/connectors, providers/hubspot/test/batch/update/contacts/err-duplicate-ids.json",
        400,
        body(
            "Duplicate IDs found in batch input: [<id>]. IDs must be unique",
            "VALIDATION_ERROR",
            context={"ids": ["<ids>"]},
        ),
    ),
}

PASSINGS = {
    "the ten seconds' limit": Passing(
        "HubSpot/hubspot-api-python, issue 117",
        429,
        body(
            "You have reached your ten_secondly_rolling limit.",
            errorType="RATE_LIMIT",
            policyName="TEN_SECONDLY_ROLLING",
            groupName="publicapi:calls-ten-secondly:1",
        ),
    ),
    "the second's limit": Passing(
        "HGData/mk-node-hubspot, issue 89 and pull request 84",
        429,
        body("You have reached your secondly limit.", errorType="RATE_LIMIT", policyName="SECONDLY", requestId="r-1"),
    ),
    "the second's limit, as a category": Passing(
        "a public MCP server for HubSpot, its tests",
        429,
        body("You have reached your secondly limit.", "RATE_LIMITS"),
    ),
    "a gateway's page": Passing(
        "HubSpot/hubspot-php, issue 315; mitodl/mitxpro, issue 793",
        502,
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center>nginx</center></body></html>",
    ),
    "an internal error": Passing("jpetrucciani/hubspot3, issue 25", 500, body("internal error")),
    "an internal error, with its id in the header only": Passing(
        "HubSpot/hubspot-api-python, issue 111", 500, {"status": "error", "message": "internal error"}
    ),
    "a lock": Passing("HubSpot's documentation, Error handling", 423, body("Resource is locked", "LOCKED")),
    "a migration": Passing("HubSpot's documentation, Error handling", 477, b"", {"Retry-After": "1"}),
    "a time-out at the edge": Passing("HubSpot's documentation, Error handling", 524, b"error code: 524"),
}

ACCEPTED = {
    "empty errors and null times": Accepted(
        "HubSpot/hubspot-api-nodejs, issue 656",
        200,
        {"status": "COMPLETE", "requestedAt": None, "links": {}, "errors": []},
    ),
    "another status of success": Accepted("HubSpot/hubspot-api-python, issue 448", 201, {"status": "COMPLETE"}),
    "no errors in a multi-status": Accepted(
        "rudderlabs/rudder-transformer, tests of batch upsert", 207, {"status": "COMPLETE", "numErrors": 0}
    ),
}
