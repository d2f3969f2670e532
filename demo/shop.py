"""What ``make airflow`` adds to the warehouse: orders, companies, and a shop that goes on while one looks on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Any

from demo.warehouse import CUSTOMERS

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

ORDERS = 40_000
_STAGES = ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost")

# What is wrong with some of them, one kind each.
ORDERS_DIRT: dict[str, dict[str, Any]] = {
    "an amount with its currency": {"amount": "129,90 EUR"},
    "a stage that HubSpot calls otherwise": {"stage": "won"},
    "a date that doesn't exist": {"close_date": "2026-11-31"},
}
_DIRTY_EACH = 5
_DELETED = 6

# So many customers change every two seconds: enough for a run of the example to have something to send.
_CHANGES = 25
_EVERY_SECONDS = 2.0

_CHANGE = """
    UPDATE customers SET plan = ?, score = ?, changed_at = ? WHERE customer_number = ? AND plan != 'premium'
"""
_SCHEMA = "CREATE TABLE orders (hubspot_id INTEGER NOT NULL, amount, close_date TEXT, stage TEXT)"


def seed_orders(warehouse: Path) -> list[str]:
    """Make the table ``orders``: one a deal that HubSpot has.

    :param warehouse: the SQLite file, as :func:`demo.warehouse.seed_warehouse` has made it.
    :returns: the ids of deals that somebody deleted in HubSpot since.
    """
    random = Random(815)
    first_day = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [
        {
            "hubspot_id": number,
            "amount": round(random.lognormvariate(5, 1), 2),
            "close_date": f"{first_day + timedelta(days=random.randrange(120)):%Y-%m-%d}",
            "stage": random.choice(_STAGES),
        }
        for number in range(1, ORDERS + 1)
    ]
    # among the first thousands, so that a short run meets some of each
    odd = random.sample(rows[:3_000], _DIRTY_EACH * len(ORDERS_DIRT) + _DELETED)
    for kind in ORDERS_DIRT.values():
        for row in (odd.pop() for _ in range(_DIRTY_EACH)):
            row.update(kind)
    with closing(sqlite3.connect(warehouse)) as database, database:
        database.execute(_SCHEMA)
        database.executemany("INSERT INTO orders VALUES (:hubspot_id, :amount, :close_date, :stage)", rows)
    return [str(row["hubspot_id"]) for row in odd]


ACCOUNTS = 60
ROLE = "Buyer"
_PEOPLE = 600
_COMPANIES_SCHEMA = """
CREATE TABLE accounts (account_number TEXT NOT NULL, name TEXT NOT NULL, city TEXT);
CREATE TABLE people (email TEXT, first_name TEXT, last_name TEXT, account_number TEXT NOT NULL);
CREATE TABLE employments (email TEXT, account_number TEXT NOT NULL, role TEXT, ended_at TEXT);
"""
_WHO = (
    "SELECT email, first_name, last_name, city FROM customers WHERE email IS NOT NULL ORDER BY customer_number LIMIT ?"
)


def seed_companies(warehouse: Path) -> list[dict[str, str]]:
    """Make the tables ``accounts``, ``people`` and ``employments``: which customer works for which company.

    :param warehouse: the SQLite file, as :func:`demo.warehouse.seed_warehouse` has made it.
    :returns: those of the companies that HubSpot has already.
    """
    with closing(sqlite3.connect(warehouse)) as database, database:
        database.executescript(_COMPANIES_SCHEMA)
        who = database.execute(_WHO, (_PEOPLE,)).fetchall()
        accounts = [(f"E-{one:06d}", f"Company {one}", who[one][3]) for one in range(1, ACCOUNTS + 1)]
        people = [(*one[:3], accounts[number % ACCOUNTS][0]) for number, one in enumerate(who)]
        employments = [
            (email, account, ROLE if number % 3 == 0 else None, "2026-10-31" if number % 20 == 0 else None)
            for number, (email, _, _, account) in enumerate(people)
        ]
        database.executemany("INSERT INTO accounts VALUES (?, ?, ?)", accounts)
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", people)
        database.executemany("INSERT INTO employments VALUES (?, ?, ?, ?)", employments)
    return [{"erp_id": number, "name": name} for number, name, _ in accounts[: ACCOUNTS // 2]]


class Shop:
    """Customers who move house and change their plan, some every second, so that there always is something to sync.

    Use it as a context manager.

    :param warehouse: the SQLite file.
    :param stop: ends it.
    """

    def __init__(self, warehouse: Path, stop: Event) -> None:
        self._warehouse = warehouse
        self._stop = stop
        self._random = Random(99)
        self._thread = Thread(target=self._go_on, name="shop", daemon=True)

    def start(self) -> None:
        """Change as many as a day does, then go on."""
        self.change(850)
        self._thread.start()

    def change(self, customers: int) -> None:
        """So many customers change."""
        now = datetime.now(UTC)
        numbers = self._random.sample(range(1, CUSTOMERS + 1), customers)
        changes = [
            (
                self._random.choice(("starter", "pro", "enterprise")),
                self._random.randrange(101),
                (now + timedelta(microseconds=place)).isoformat(),
                f"C-{number:06d}",
            )
            for place, number in enumerate(numbers)
        ]
        with closing(sqlite3.connect(self._warehouse, timeout=10)) as database, database:
            database.executemany(_CHANGE, changes)

    def _go_on(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self.change(_CHANGES)
