"""Believable records to start with: the same ones for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_FIRST_NAMES = [
    "Ada",
    "Amir",
    "Ana",
    "Astrid",
    "Ben",
    "Carlos",
    "Chiara",
    "Claire",
    "Daniel",
    "Diego",
    "Elif",
    "Emma",
    "Erik",
    "Fatima",
    "Felix",
    "Grace",
    "Hana",
    "Hugo",
    "Ines",
    "Ivan",
    "Jana",
    "Jonas",
    "Julia",
    "Kenji",
    "Lars",
    "Laura",
    "Leila",
    "Lena",
    "Luca",
    "Maja",
    "Marco",
    "Maria",
    "Mateo",
    "Mei",
    "Mia",
    "Nadia",
    "Nils",
    "Noah",
    "Olga",
    "Omar",
    "Oscar",
    "Paula",
    "Petra",
    "Priya",
    "Rosa",
    "Samir",
    "Sara",
    "Sofia",
    "Tomas",
    "Vera",
    "Wei",
    "Yara",
    "Yusuf",
    "Zoe",
]
_LAST_NAMES = [
    "Abadi",
    "Almeida",
    "Andersen",
    "Bauer",
    "Becker",
    "Bianchi",
    "Brown",
    "Castillo",
    "Chen",
    "Costa",
    "Diaz",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Gomez",
    "Haddad",
    "Hansen",
    "Horvat",
    "Ito",
    "Ivanova",
    "Jansen",
    "Jensen",
    "Kaya",
    "Keller",
    "Khan",
    "Kim",
    "Kowalski",
    "Larsen",
    "Lefevre",
    "Lindberg",
    "Lopez",
    "Marino",
    "Martin",
    "Meyer",
    "Moreau",
    "Nakamura",
    "Novak",
    "Okafor",
    "Olsen",
    "Patel",
    "Pereira",
    "Popescu",
    "Rossi",
    "Russo",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Svensson",
    "Tanaka",
    "Vega",
    "Virtanen",
    "Wagner",
    "Weber",
    "Wilson",
    "Wong",
    "Yilmaz",
    "Zhang",
]
_CITIES = (
    ("Berlin", "Germany", "+49 30"), ("Hamburg", "Germany", "+49 40"), ("Lyon", "France", "+33 4"),
    ("Porto", "Portugal", "+351 22"), ("Madrid", "Spain", "+34 91"), ("Milan", "Italy", "+39 02"),
    ("Oslo", "Norway", "+47 22"), ("Boston", "United States", "+1 617"), ("Toronto", "Canada", "+1 416"),
    ("Dublin", "Ireland", "+353 1"), ("Osaka", "Japan", "+81 6"), ("Pune", "India", "+91 20"),
)  # fmt: skip
_TRADES = [
    "Logistics",
    "Foods",
    "Textiles",
    "Software",
    "Optics",
    "Bikes",
    "Media",
    "Tools",
    "Energy",
    "Paper",
    "Toys",
    "Labs",
]
_STAGES = [
    "subscriber",
    "lead",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "customer",
]
_PLANS = ("free", "free", "starter", "pro", "enterprise")
_PETS = ["Balu", "Coco", "Frida", "Luna", "Max", "Mimi", "Nero", "Rex", "Sammy", "Tiger"]


def believable_record(object_type: str, number: int, random: Random) -> dict[str, str]:
    """The properties of the record with this number; an object type of the user's own gets none.

    :param object_type: Its name, as ``contacts``.
    :param random: Seeded by the caller.
    """
    match object_type:
        case "contacts":
            return _contact(number, random)
        case "companies":
            return _company(number, random)
        case "deals":
            return _deal(number, random)
        case "tickets":
            return _ticket(number, random)
        case "products":
            return _product(number, random)
        case "pets":
            return _pet(number, random)
    return {}


def _contact(number: int, random: Random) -> dict[str, str]:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    city, country, prefix = random.choice(_CITIES)
    contact = {
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "firstname": first,
        "lastname": last,
        "city": city,
        "country": country,
        "lifecyclestage": random.choice(_STAGES),
        "plan": random.choice(_PLANS),
        "customer_number": f"C-{number:06d}",
    }
    if random.random() < 0.7:
        contact["phone"] = f"{prefix} {random.randrange(1_000_000, 9_999_999)}"
    return contact


def _company(number: int, random: Random) -> dict[str, str]:
    name = f"{random.choice(_LAST_NAMES)} {random.choice(_TRADES)}"
    city, country, _ = random.choice(_CITIES)
    return {
        "name": name,
        "domain": f"{name.lower().replace(' ', '-')}-{number}.example.com",
        "city": city,
        "country": country,
        "industry": random.choice(("BANKING", "COMPUTER_SOFTWARE", "CONSTRUCTION", "RETAIL")),
        "numberofemployees": str(random.randrange(3, 4000)),
        "erp_id": f"E-{number:06d}",
    }


def _deal(number: int, random: Random) -> dict[str, str]:
    return {
        "dealname": f"{random.choice(_LAST_NAMES)} {random.choice(_TRADES)}, order {number}",
        "amount": f"{random.randrange(500, 90_000)}.{random.randrange(100):02d}",
        "closedate": f"2026-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}T12:00:00.000Z",
        "pipeline": "default",
        "dealstage": random.choice(("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon")),
        "order_number": f"O-{number:06d}",
    }


def _ticket(number: int, random: Random) -> dict[str, str]:
    about = random.choice(("Login fails", "Invoice is wrong", "Question about the plan", "Export is slow"))
    return {
        "subject": f"{about} ({number})",
        "hs_pipeline": "0",
        "hs_pipeline_stage": str(random.randrange(1, 5)),
        "hs_ticket_priority": random.choice(("LOW", "MEDIUM", "HIGH")),
        "case_number": f"T-{number:06d}",
    }


def _product(number: int, random: Random) -> dict[str, str]:
    return {
        "name": f"{random.choice(_TRADES)} {random.choice(('basic', 'plus', 'pro'))}",
        "hs_sku": f"SKU-{number:06d}",
        "price": f"{random.randrange(5, 900)}.{random.randrange(100):02d}",
    }


def _pet(number: int, random: Random) -> dict[str, str]:
    return {
        "name": random.choice(_PETS),
        "species": random.choice(("cat", "dog", "horse", "rabbit")),
        "born_on": f"{random.randrange(2012, 2026)}-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}",
        "weight_kg": f"{random.uniform(1, 40):.1f}",
        "chip_id": f"P-{number:06d}",
    }
