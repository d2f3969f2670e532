"""The warehouse of the demo: a shop's customers, with the dirt that real tables have. The same ones every time.

Most customers are in HubSpot already, as they were some weeks ago (:func:`hubspot_contacts`); since then the shop has
seen them move, order, change their plan. The dirt, of which :data:`DIRT` keeps count:

- ``hubspot_id`` is a REAL column, because it once came through a spreadsheet: 1042 is 1042.0, and some are missing;
- a correction is a second row of the same customer: the later row is right;
- values are missing everywhere, and dates are text;
- some contacts were deleted in HubSpot since, some addresses lost their domain, a plan was renamed, some dates don't
  exist.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUSTOMERS = 3_000
TODAY = date(2026, 11, 2)

# How many customers have which dirt. Each customer has one kind at most, so that the counts can be told from outside.
DIRT = {
    "not_in_hubspot": 8,  # deleted there since
    "no_hubspot_id": 6,  # nobody ever noted it
    "bad_email": 7,
    "renamed_plan": 5,
    "impossible_date": 4,
    "corrected": 40,  # two rows
}
CHANGED_LATELY = 850

# Customers who want to be taken out of the CRM, each with an address that HubSpot knows; and a stranger's.
LEAVING = 12
STRANGER = "somebody.else@example.net"


def _words(text: str) -> list[str]:
    return text.split()


_FIRST_NAMES = _words(
    "Aino Aleksander Amara Ana Andrea Anouk Antoine Aoife Beatriz Björn Bruno Camille Carlos Catarina Chidi Chloé "
    "Dagmar Daniel Deniz Dieter Eleni Elif Emil Emma Enzo Esra Fatima Federica Felix Fiona Frida Gabriel Giulia Greta "
    "Hanna Helena Henrik Hugo Ida Ignacio Ines Ivana Jakub Jana Jasper João Johanna Jonas Josefine Kaan Katarzyna "
    "Kerstin Lars Laura Leila Lena Léo Linnea Luca Lukas Magda Maja Marek Marta Mateus Matilde Mehmet Mila Nadia "
    "Nikos Nina Noah Noor Olga Olivia Oskar Paula Pedro Petra Pietro Rania Rasmus Rosa Sara Selma Sinéad Sofia Sven "
    "Tariq Teresa Thea Tomás Ulrike Valentina Vera Viktor Wanda Yara Yusuf Zeynep Zofia"
)
_LAST_NAMES = _words(
    "Aalto Abadie Almeida Andersen Aydoğan Bakker Baumann Becker Berg Bianchi Björklund Blanc Bos Brandt Byrne Campos "
    "Carvalho Castro Çelik Christensen Conti Costa Dąbrowski Dahl Demir Diallo Dubois Eriksson Esposito Fernandes "
    "Ferrari Fischer Fontaine Garcia Girard Greco Haddad Hansen Hoffmann Horváth Iversen Jansen Jensen Kaya Keller "
    "Kowalska Kruse Kučera Lambert Larsen Lehmann Lindqvist Lopes Lund Maier Marino Martin Mendes Meyer Moreau Müller "
    "Murphy Nagy Neumann Nielsen Novák Nowak Öberg Okafor Olsen Papadopoulos Pereira Petersen Pinto Popescu Ricci "
    "Romano Rossi Roussel Sahin Santos Schmidt Schröder Silva Sørensen Steiner Svensson Szabó Teixeira Vasquez Visser "
    "Vogel Wagner Weber Wiśniewski Yilmaz Zimmermann"
)
_CITIES = (
    ("Aarhus", "Denmark", "+45 86"), ("Amsterdam", "Netherlands", "+31 20"), ("Athens", "Greece", "+30 21"),
    ("Berlin", "Germany", "+49 30"), ("Bologna", "Italy", "+39 051"), ("Bordeaux", "France", "+33 5"),
    ("Braga", "Portugal", "+351 253"), ("Brno", "Czechia", "+420 5"), ("Budapest", "Hungary", "+36 1"),
    ("Cork", "Ireland", "+353 21"), ("Gdańsk", "Poland", "+48 58"), ("Gothenburg", "Sweden", "+46 31"),
    ("Graz", "Austria", "+43 316"), ("Hamburg", "Germany", "+49 40"), ("Helsinki", "Finland", "+358 9"),
    ("İzmir", "Türkiye", "+90 232"), ("Kraków", "Poland", "+48 12"), ("Leipzig", "Germany", "+49 341"),
    ("Lisbon", "Portugal", "+351 21"), ("Lyon", "France", "+33 4"), ("Málaga", "Spain", "+34 952"),
    ("Oslo", "Norway", "+47 22"), ("Rotterdam", "Netherlands", "+31 10"), ("Turin", "Italy", "+39 011"),
    ("València", "Spain", "+34 96"), ("Zürich", "Switzerland", "+41 44"),
)  # fmt: skip
_STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
_PLANS = ("free", "starter", "pro", "enterprise")
_ASCII = str.maketrans({"ø": "oe", "ß": "ss", "ł": "l"})

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A row of the table ``customers``."""

    customer_number: str
    hubspot_id: float | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    city: str | None
    country: str | None
    lifecycle_stage: str
    plan: str | None
    active: int
    birthday: str | None
    renewal_date: str | None
    revenue: float | None
    score: int | None
    changed_at: str
    synced_at: str | None = None
    hubspot_updated_at: str | None = None


_SCHEMA = """
CREATE TABLE customers (
    customer_number    TEXT NOT NULL,
    hubspot_id         REAL,
    first_name         TEXT,
    last_name          TEXT,
    email              TEXT,
    phone              TEXT,
    city               TEXT,
    country            TEXT,
    lifecycle_stage    TEXT NOT NULL,
    plan               TEXT,
    active             INTEGER NOT NULL,
    birthday           TEXT,
    renewal_date       TEXT,
    revenue            REAL,
    score              INTEGER,
    changed_at         TEXT NOT NULL,
    synced_at          TEXT,
    hubspot_updated_at TEXT
);
CREATE TABLE deletion_requests (email TEXT NOT NULL, customer_number TEXT, asked_at TEXT NOT NULL, done_at TEXT);
"""


def seed_warehouse(path: Path) -> list[Customer]:
    """Make the SQLite warehouse.

    :param path: of the database file; one that exists is replaced.
    :returns: its rows, in the order in which they were written.
    """
    path.unlink(missing_ok=True)
    rows = list(customers())
    columns = [field.name for field in fields(Customer)]
    places = ", ".join(f":{column}" for column in columns)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_SCHEMA)
        database.executemany(f"INSERT INTO customers VALUES ({places})", [asdict(row) for row in rows])  # noqa: S608
        asked_at = f"{TODAY}T04:00:00+00:00"
        asked = [(email, number, asked_at) for email, number in deletion_requests().items()]
        database.executemany("INSERT INTO deletion_requests VALUES (?, ?, ?, NULL)", asked)
    return rows


def customers() -> Iterator[Customer]:
    """The rows of the table, corrections at its end."""
    random = Random(4711)
    clean = [_customer(number, random) for number in range(1, CUSTOMERS + 1)]
    dirt = _places_of_dirt()
    yield from (_soiled(customer, dirt.get(number)) for number, customer in enumerate(clean, start=1))
    yield from (_corrected(clean[number - 1], random) for number, kind in dirt.items() if kind == "corrected")


def deletion_requests() -> dict[str, str | None]:
    """Address -> customer number, as the table ``deletion_requests`` has them: of clean rows, and the stranger's."""
    random, soiled = Random(4711), _places_of_dirt()
    clean = [_customer(number, random) for number in range(1, CUSTOMERS + 1)]
    staying = [one for number, one in enumerate(clean, start=1) if number not in soiled]
    leaving = Random(12).sample(staying[: CUSTOMERS - CHANGED_LATELY - len(soiled)], LEAVING)
    return {**{f"{one.email}": one.customer_number for one in leaving}, STRANGER: None}


def hubspot_contacts() -> list[dict[str, str]]:
    """The same people as HubSpot knows them: their properties some weeks ago, in the order of their record ids, 1 to n.

    Record ``n`` is the ``n``-th customer.
    """
    random = Random(4711)
    return [_weeks_ago(_customer(number, random), Random(number)) for number in range(1, CUSTOMERS + 1)]


def deleted_contacts() -> list[str]:
    """The ids of the records that somebody deleted in HubSpot since; the warehouse doesn't know."""
    return [str(number) for number, kind in _places_of_dirt().items() if kind == "not_in_hubspot"]


def _places_of_dirt() -> dict[int, str]:
    """Customer number -> kind; one half of it among the customers that changed lately, which are synced first."""
    random = Random(42)
    kinds = [kind for kind, count in DIRT.items() for _ in range(count)]
    lately = range(CUSTOMERS - CHANGED_LATELY + 1, CUSTOMERS + 1)
    before = range(1, CUSTOMERS - CHANGED_LATELY + 1)
    places = [*random.sample(lately, len(kinds[::2])), *random.sample(before, len(kinds[1::2]))]
    return dict(zip(places, kinds[::2] + kinds[1::2], strict=True))


def _customer(number: int, random: Random) -> Customer:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    city, country, prefix = random.choice(_CITIES)
    stage = random.choices(_STAGES, weights=(2, 3, 3, 3, 2, 7))[0]
    paying = stage == "customer"
    plan = random.choices(_PLANS, weights=(0, 5, 4, 1) if paying else (1, 0, 0, 0))[0]
    lately = number > CUSTOMERS - CHANGED_LATELY
    changed = datetime(TODAY.year, TODAY.month, TODAY.day, 5, tzinfo=UTC) - timedelta(
        minutes=random.randrange(24 * 60) if lately else random.randrange(2 * 24 * 60, 60 * 24 * 60)
    )
    domain = random.choice(("example.com", "example.org", "mail.example.net"))
    return Customer(
        customer_number=f"C-{number:06d}",
        hubspot_id=float(number),
        first_name=first,
        last_name=_sometimes(random, last, 0.98),
        email=f"{_plain(first)}.{_plain(last)}{number}@{domain}",
        phone=_sometimes(random, f"{prefix} {random.randrange(10**6, 10**7)}", 0.7),
        city=_sometimes(random, city, 0.95),
        country=country,
        lifecycle_stage=stage,
        plan=plan,
        active=int(random.random() < (0.9 if paying else 0.4)),
        birthday=_sometimes(random, f"{date(1950, 1, 1) + timedelta(days=random.randrange(20_000))}", 0.35),
        renewal_date=f"{TODAY + timedelta(days=random.randrange(1, 365))}" if paying else None,
        revenue=round(random.lognormvariate(7, 1.2), 2) if paying else None,
        score=_sometimes(random, random.randrange(101), 0.9),
        changed_at=changed.isoformat(),
        synced_at=None if lately else (changed + timedelta(hours=1)).isoformat(),
    )


def _sometimes(random: Random, value: T, share: float) -> T | None:
    return value if random.random() < share else None


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(_ASCII))
    return decomposed.encode("ascii", "ignore").decode()


def _soiled(customer: Customer, kind: str | None) -> Customer:
    match kind:
        case "no_hubspot_id":
            return replace(customer, hubspot_id=None)
        case "bad_email":
            return replace(customer, email=f"{customer.email}".partition("@")[0] + "@")
        case "renamed_plan":
            return replace(customer, plan="premium")
        case "impossible_date":
            return replace(customer, renewal_date="2027-02-30")
    return customer  # what is wrong with the others isn't in their row


def _corrected(customer: Customer, random: Random) -> Customer:
    city, country, prefix = random.choice(_CITIES)
    later = datetime.fromisoformat(customer.changed_at) + timedelta(minutes=7)
    return replace(
        customer,
        city=city,
        country=country,
        phone=f"{prefix} {random.randrange(10**6, 10**7)}",
        changed_at=later.isoformat(),
    )


def _weeks_ago(customer: Customer, random: Random) -> dict[str, str]:
    stage = _STAGES[random.randrange(_STAGES.index(customer.lifecycle_stage) + 1)]
    moved = random.random() < 0.3
    city, country, _ = random.choice(_CITIES) if moved else (customer.city, customer.country, "")
    known = {
        "firstname": customer.first_name,
        "lastname": customer.last_name,
        "email": customer.email,
        "phone": customer.phone,
        "city": city,
        "country": country,
        "lifecyclestage": stage,
        "plan": "free",
        "customer_number": customer.customer_number,
    }
    return {name: value for name, value in known.items() if value is not None}
