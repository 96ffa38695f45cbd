"""Names of demo people and organizations."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import count
from random import Random

FIRST = """
Ada Amara Anna Aoife Bea Carlos Chiara Chen Daniel Diego Elif Emeka Eva Fatima Felix Freya Gabriel Grace Hana
Hugo Ines Ingrid Ivan Jana João Jonas Julia Kaito Karin Kofi Lars Leila Léa Lina Luca Luís Maja Marek Mateo Maya
Mei Milan Mila Mohammed Nadia Nils Noa Nora Olga Omar Otto Pablo Petra Priya Rafael Rosa Sami Sara Sofia Søren
Tariq Theo Tomas Uma Vera Viktor Wanda Xavier Yara Yuki Yusuf Zainab Zoë Zofia
""".split()  # noqa: SIM905 -- a word a line would be long

LAST = """
Adeyemi Almeida Andersson Aziz Bakker Becker Berg Bianchi Brandt Castro Chowdhury Cohen Costa Çelik Dąbrowska
Diallo Dubois Eriksen Fernandes Ferreira Fischer Fontaine García Haddad Hansen Hoffmann Horvat Ito Ivanova
Jansen Kaya Khan Kowalska Kumar Larsen Lindqvist Martin Mensah Meyer Moreau Müller Nakamura Ndiaye Nguyen Novak
Nowak Okafor Okoye O’Brien Olsen Park Patel Pereira Popescu Rossi Ruiz Sato Schmidt Schröder Silva Singh
Sørensen Suzuki Tanaka Torres Vargas Virtanen Wagner Weber Wójcik Yamada Yilmaz Zabriskie Zhang Zimmermann
""".split()  # noqa: SIM905 -- a word a line would be long

FOREMOST = ("Acme Logistics", "Birch & Sons", "Cedar Health", "Delta Robotics", "Elm Street Press", "Fjord Energy")

PLACES = """
Amber Arctic Atlas Aurora Baltic Bright Canyon Cobalt Coral Copper Crystal Dune Eastern Ember Evergreen Falcon
Forest Garden Golden Granite Harbor Hazel Highland Indigo Ivory Juniper Lake Lantern Lunar Maple Marble Meridian
Midland Nimbus Nordic North Oak Ocean Olive Onyx Orchard Pacific Pine Polar Prairie Quartz Raven River Saffron
Sierra Silver Solar Southern Spruce Sterling Summit Sunset Timber Tulip Valley Velvet Vista Western Willow
Winter
""".split()  # noqa: SIM905 -- a word a line would be long

TRADES = """
Analytics Architects Bakery Books Capital Ceramics Clinics Components Dental Design Dynamics Electric Energy
Engineering Farms Foods Freight Furniture Glass Health Homes Instruments Insurance Labs Legal Logistics Marine
Materials Media Mobility Motors Networks Optics Outfitters Partners Pharma Press Publishing Railways Research
Robotics Schools Security Shipping Software Solar Studios Systems Textiles Tools Travel Ventures Water Works
""".split()  # noqa: SIM905 -- a word a line would be long


def organizations(random: Random) -> Iterator[str]:
    """Endless distinct names."""
    yield from FOREMOST
    pairs = [f"{place} {trade}" for place in PLACES for trade in TRADES]
    random.shuffle(pairs)
    yield from pairs
    for number in count(2):
        yield from (f"{pair} {number}" for pair in pairs)


def ascii_of(name: str) -> str:
    """A name as the local part of an address."""
    table = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "ą": "a", "’": ""})
    plain = unicodedata.normalize("NFD", name.translate(table)).encode("ascii", "ignore").decode("ascii")
    return plain.lower()
