"""The Airflow connection: what its fields and extra come to, and what is said of wrong ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_hubbatch.client.settings import DEFAULT_HOST, DEFAULT_TIMEOUT_SECONDS, ConnectionSettings
from airflow_provider_hubbatch.exceptions import SettingsError

TOKEN = "pat-na1-5ecret-t0ken"


def settings_of(monkeypatch: pytest.MonkeyPatch, uri: str | None = None, **fields: Any) -> ConnectionSettings:
    """What the connection hubspot_default comes to, from the environment, as JSON or as this URI."""
    from airflow.sdk import Connection

    value = uri or json.dumps({"conn_type": "hubspot", "password": TOKEN, **fields})
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", value)
    return ConnectionSettings.from_connection(Connection.get("hubspot_default"))


def test_connection_needs_nothing_but_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password alone, everything else is HubSpot's own."""
    settings = settings_of(monkeypatch)
    assert (settings.token, settings.base_url, settings.api_version) == (TOKEN, DEFAULT_HOST, "2026-03")
    assert (settings.timeout_seconds, settings.verify, settings.cert) == (DEFAULT_TIMEOUT_SECONDS, True, None)
    assert (settings.proxies, settings.trust_env, settings.requests_per_10_seconds) == (None, True, None)


def test_connection_never_shows_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings' text, as a debugger or log may show it, doesn't hold the token."""
    assert TOKEN not in repr(settings_of(monkeypatch))


@pytest.mark.parametrize(
    ("uri", "base_url", "token"),
    [
        (f"hubspot://:{TOKEN}@", DEFAULT_HOST, TOKEN),
        (f"hubspot://:{TOKEN}@api.hubapi.com", "https://api.hubapi.com", TOKEN),
        (f"hubspot://:{TOKEN}@127.0.0.1:8765/http", "http://127.0.0.1:8765", TOKEN),
        (f"hubspot://:{TOKEN}@http%3A%2F%2F127.0.0.1%3A8765", "http://127.0.0.1:8765", TOKEN),
        ("hubspot://:a%2Bb%2F@", DEFAULT_HOST, "a+b/"),
        (f"hubspot://:{TOKEN}@/?api_version=2026-09", DEFAULT_HOST, TOKEN),
    ],
)
def test_connection_is_read_from_a_uri(monkeypatch: pytest.MonkeyPatch, uri: str, base_url: str, token: str) -> None:
    """AIRFLOW_CONN_HUBSPOT_DEFAULT may be a URI."""
    settings = settings_of(monkeypatch, uri)
    assert (settings.base_url, settings.token) == (base_url, token)


def test_connection_reads_texts_from_a_uris_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URI's query gives texts: numbers and booleans among them are understood."""
    query = "api_version=2026-09&requests_per_10_seconds=100&timeout=5&verify=false&trust_env=0"
    settings = settings_of(monkeypatch, f"hubspot://:{TOKEN}@/?{query}")
    assert (settings.api_version, settings.requests_per_10_seconds) == ("2026-09", 100)
    assert (settings.timeout_seconds, settings.verify, settings.trust_env) == ((5.0, 5.0), False, False)


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("", DEFAULT_HOST),
        (None, DEFAULT_HOST),
        ("  ", DEFAULT_HOST),
        ("api.hubapi.com", "https://api.hubapi.com"),
        ("https://api.hubapi.com/", "https://api.hubapi.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
        ("https://proxy.example/hubspot/", "https://proxy.example/hubspot"),
    ],
)
def test_connection_host_is_a_base_url(monkeypatch: pytest.MonkeyPatch, host: str | None, base_url: str) -> None:
    """The host may be empty, a name, or a URL; https unless it says otherwise."""
    assert settings_of(monkeypatch, host=host).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "ftp://x",
        "http://user:hunter2@host",
        "http://x?a=hunter2",
        "http://x#y",
        "http://x:99999",
        "http://x:y",
    ],
)
def test_connection_host_that_is_no_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A host that is no base URL is a wrong setting, told without what may be a secret in it."""
    with pytest.raises(SettingsError, match="host of connection 'hubspot_default'") as caught:
        settings_of(monkeypatch, host=host)
    assert "hunter2" not in str(caught.value)


def test_connection_host_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheme alone is no base URL."""
    with pytest.raises(SettingsError):
        settings_of(monkeypatch, host="http://")


@pytest.mark.parametrize(
    ("extra", "name", "value"),
    [
        ({"api_version": "2026-09"}, "api_version", "2026-09"),
        ({"api_version": ""}, "api_version", "2026-03"),
        ({"requests_per_10_seconds": 100}, "requests_per_10_seconds", 100),
        ({"requests_per_10_seconds": " 100 "}, "requests_per_10_seconds", 100),
        ({"requests_per_10_seconds": ""}, "requests_per_10_seconds", None),
        ({"timeout": 5}, "timeout_seconds", (5.0, 5.0)),
        ({"timeout": "2.5"}, "timeout_seconds", (2.5, 2.5)),
        ({"timeout": [2, "30"]}, "timeout_seconds", (2.0, 30.0)),
        ({"verify": False}, "verify", False),
        ({"verify": "False"}, "verify", False),
        ({"verify_ssl": False}, "verify", False),
        ({"verify": "/etc/ssl/ca.pem"}, "verify", "/etc/ssl/ca.pem"),
        ({"cert": "/c.pem"}, "cert", "/c.pem"),
        ({"cert": ["/c.pem", "/k.pem"]}, "cert", ("/c.pem", "/k.pem")),
        ({"proxies": {"https": "http://p:1"}}, "proxies", {"https": "http://p:1"}),
        ({"proxy": "http://p:1"}, "proxies", {"http": "http://p:1", "https": "http://p:1"}),
        ({"trust_env": False}, "trust_env", False),
        ({"trust_env": "no"}, "trust_env", False),
        ({"X-Custom": "kept out"}, "trust_env", True),
    ],
)
def test_connection_extra_is_read(monkeypatch: pytest.MonkeyPatch, extra: Any, name: str, value: Any) -> None:
    """Each key of the extra, as JSON or as text from the form."""
    assert getattr(settings_of(monkeypatch, extra=extra), name) == value


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"api_version": "latest"}, "api_version"),
        ({"api_version": "../v3"}, "api_version"),
        ({"api_version": 3}, "api_version"),
        ({"requests_per_10_seconds": 0}, "requests_per_10_seconds"),
        ({"requests_per_10_seconds": -5}, "requests_per_10_seconds"),
        ({"requests_per_10_seconds": "many"}, "requests_per_10_seconds"),
        ({"requests_per_10_seconds": 1.5}, "requests_per_10_seconds"),
        ({"requests_per_10_seconds": True}, "requests_per_10_seconds"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "nan"}, "timeout"),
        ({"timeout": "inf"}, "timeout"),
        ({"timeout": [1]}, "timeout"),
        ({"timeout": [1, 2, 3]}, "timeout"),
        ({"timeout": {"read": 5}}, "timeout"),
        ({"trust_env": "perhaps"}, "trust_env"),
        ({"cert": 5}, "cert"),
        ({"cert": ["a", "b", "c"]}, "cert"),
        ({"proxies": ["http://p:hunter2@x"]}, "proxies"),
        ({"proxies": 5}, "proxies"),
    ],
)
def test_connection_extra_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, extra: Any, named: str) -> None:
    """A wrong value is a wrong setting: the error names the key, and neither token nor proxy password."""
    with pytest.raises(SettingsError, match=named) as caught:
        settings_of(monkeypatch, extra=extra)
    assert TOKEN not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("extra", [{"timeout": True}, {"proxies": {"https": 5}}, {"verify": 5}, {"verify": []}])
def test_connection_extra_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch, extra: Any) -> None:
    """A value of a type that means nothing is a wrong setting."""
    with pytest.raises(SettingsError):
        settings_of(monkeypatch, extra=extra)


@pytest.mark.parametrize("password", ["", "   ", None])
def test_connection_without_a_token_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch, password: str | None) -> None:
    """No password: the error says that the token belongs there."""
    with pytest.raises(SettingsError, match="password"):
        settings_of(monkeypatch, password=password)


@pytest.mark.parametrize("password", ["two words", "line\nbreak", "tab\tbed", "t\u00f6ken", "a\r\nX-Evil: 1"])
def test_connection_token_that_can_be_none_is_refused(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """What can't be a token never becomes a header, and isn't shown."""
    with pytest.raises(SettingsError, match="password") as caught:
        settings_of(monkeypatch, password=password)
    assert password not in str(caught.value)


def test_connection_token_is_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break or blanks around a pasted token don't matter."""
    assert settings_of(monkeypatch, password=f" {TOKEN}\n").token == TOKEN
