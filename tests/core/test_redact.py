"""What is shown of secrets: nothing, in no spelling; and what is shown of paths and URLs."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.redact import Redactor, printable, show_error, show_path, without_url_secrets

SECRET = 'p@ss/"w0rd"+<ü>'


def escaped(text: str) -> str:
    """A JSON text in which every character is written by its number."""
    return "".join(f"\\u{ord(one):04x}" for one in text)


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        "p@ss/&quot;w0rd&quot;+&lt;ü&gt;",
    ],
)
def test_redactor_finds_every_usual_spelling(spelled: str) -> None:
    """As it is, as JSON, in a URL, on a page: in a text, a body and a header."""
    redactor = Redactor(SECRET, "another-one")
    assert "w0rd" not in redactor.text(f"said {spelled} again")
    reply = redactor.reply(Reply(400, {"X-Echo": spelled}, f'{{"message": "{spelled}"}}'.encode()))
    assert "w0rd" not in reply.headers["X-Echo"] + reply.body.decode()


@pytest.mark.parametrize("status", [200, 207, 400, 500])
def test_redactor_reads_what_json_escapes_needlessly(status: int) -> None:
    """A reply may write any letter by its number: it is found all the same, in whatever field."""
    redactor = Redactor("pat-na1-5ecret")
    for field in ("message", "correlationId", "status", "category"):
        body = f'{{"{field}": "{escaped("pat-na1-5ecret")}", "other": "kept \\u00fc"}}'.encode()
        shown = json.loads(redactor.reply(Reply(status, {}, body)).body)
        assert shown == {field: "***", "other": "kept ü"}


def test_redactor_leaves_values_alone() -> None:
    """A short secret would be found by chance: in the values of a good reply only long ones are looked for."""
    body = b'{"results": [{"id": "1", "properties": {"city": "plain", "note": "pwd"}}]}'
    reply = Reply(200, {"Date": "today"}, body)
    assert Redactor("plain", "pwd", "").reply(reply) is reply
    assert b"plain" not in Redactor("plain").reply(Reply(502, {}, body)).body


@given(st.text(min_size=8, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_redactor_takes_it_out_of_any_json(secret: str, before: str, after: str) -> None:
    """Whatever it is made of and stands between."""
    body = json.dumps({"message": before + secret + after}).encode()
    shown = Redactor(secret).reply(Reply(400, {}, body)).body
    if secret not in "***":
        assert secret not in json.loads(shown)["message"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/rows.csv", "/data/rows.csv"),
        ("rows@home.csv", "rows@home.csv"),
        ("file:///data/a:b@c?.csv", "file:///data/a:b@c?.csv"),
        ("s3://bucket/rows.parquet", "s3://bucket/rows.parquet"),
        ("s3://aws_default@bucket/rows.parquet", "s3://aws_default@bucket/rows.parquet"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("s3://bucket/mail@home.csv", "s3://bucket/mail@home.csv"),
        ("https://host:8443/mail@home.csv", "https://host:8443/mail@home.csv"),
        ("s3://bucket/a#1.csv", "s3://bucket/a#1.csv"),
        ("s3://KEY:ab/c@bucket/x", "s3://***@bucket/x"),
        ("s3://KEY:a@b@bucket/x", "s3://***@bucket/x"),
        ("s3://KEY:a?b#c=d@bucket/x", "s3://***@bucket/x"),
        ("https://token@host/x", "https://***@host/x"),
        ("https://me:pw@host/x", "https://***@host/x"),
        ("sftp://me@host/x", "sftp://***@host/x"),
        ("https://host/x?sig=abc", "https://host/x?***"),
        ("https://host/x#sig=abc", "https://host/x#***"),
        ("https://host/x?to=a@b.c&sig=abc", "https://host/x?***"),
        ("https://token@host/x?sig=abc", "https://***@host/x?***"),
        ("https://host/x?", "https://host/x?"),
    ],
)
def test_show_path_hides_what_may_be_a_secret(path: str, shown: str) -> None:
    """Logins, passwords and signatures; a connection's name, a container, an address in a path stay."""
    assert show_path(path) == shown
    assert without_url_secrets(f"no file {path!r} there") == f"no file {shown!r} there"


def test_show_error_hides_the_parts_of_a_path_too() -> None:
    """An exception may tell the path without its scheme, or its login alone; its traceback then must not either."""
    path = "s3://KEY:5ecret/k@bucket/x?sig=51gnature"
    for text in (f"no {path}", "no KEY:5ecret/k@bucket/x", "connection `KEY:5ecret/k` isn't defined", "51gnature"):
        error = ValueError(text)
        assert "ecret" not in show_error(error, path) + show_error(error, path)
        assert "51gn" not in show_error(error, path)
        assert printable(error, path) is None
    plain = ValueError("no such bucket")
    assert (show_error(plain, path), printable(plain, path)) == ("no such bucket", plain)
