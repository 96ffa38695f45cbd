"""The demo's organizations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count, islice
from random import Random
from typing import Any

from sqlalchemy import select

from portal.core.db import db
from portal.organizations.models import Organization, slug_of
from portal.resources.demo import YEARS, Demo, DemoRows, Rows

FOREMOST = ("Acme Logistics", "Birch & Sons", "Cedar Health", "Delta Robotics", "Elm Street Press", "Fjord Energy")

PLACES = """
Amber Arctic Atlas Aurora Baltic Bright Canyon Cobalt Coral Copper Crystal Dune Eastern Ember Evergreen Falcon
Forest Garden Golden Granite Harbor Hazel Highland Indigo Ivory Juniper Lake Lantern Lunar Maple Marble Meridian
Midland Nimbus Nordic North Oak Ocean Olive Onyx Orchard Pacific Pine Polar Prairie Quartz Raven River Saffron
Sierra Silver Solar Southern Spruce Sterling Summit Sunset Timber Tulip Valley Velvet Vista Western Willow
Winter
""".split()  # noqa: SIM905 -- one word per line would be too long

TRADES = """
Analytics Architects Bakery Books Capital Ceramics Clinics Components Dental Design Dynamics Electric Energy
Engineering Farms Foods Freight Furniture Glass Health Homes Instruments Insurance Labs Legal Logistics Marine
Materials Media Mobility Motors Networks Optics Outfitters Partners Pharma Press Publishing Railways Research
Robotics Schools Security Shipping Software Solar Studios Systems Textiles Tools Travel Ventures Water Works
""".split()  # noqa: SIM905 -- one word per line would be too long


def demo_rows(demo: Demo) -> DemoRows:
    """One organization per hundred people or so; 12 to 10,000."""
    yield Organization, _organizations(demo, min(max(demo.people // 100, 12), 10_000))


def demo_organizations() -> Sequence[Any]:
    """`id` and `deleted_at` of the demo's organizations, for rows of other resources. Acme Logistics is the first."""
    made = select(Organization.id, Organization.deleted_at).order_by(Organization.id)
    return db.session.execute(made, execution_options={"with_deleted": True}).all()


def _organizations(demo: Demo, wanted: int) -> Rows:
    """Rows, oldest first, so that sorting by key sorts by age."""
    ages = sorted((demo.random.uniform(30, 365 * YEARS) for _ in range(wanted)), reverse=True)
    for number, name in enumerate(islice(_names(demo.random), wanted)):
        at = demo.ago(ages[number])
        is_deleted = number >= 3 and demo.random.random() < 0.03
        yield {
            **demo.record(at, deleted_at=at + timedelta(days=20) if is_deleted else None),
            "name": name,
            "slug": slug_of(name),
        }


def _names(random: Random) -> Iterator[str]:
    """Endless distinct names."""
    yield from FOREMOST
    pairs = [f"{place} {trade}" for place in PLACES for trade in TRADES]
    random.shuffle(pairs)
    yield from pairs
    for number in count(2):
        yield from (f"{pair} {number}" for pair in pairs)
