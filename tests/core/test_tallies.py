"""The numbers beside the tabs of organizations and teams, over HTTP."""

from __future__ import annotations

import re
import uuid

import pytest
from flask import Flask

from portal.core import counts, tallies
from portal.core.clock import now
from portal.organizations.commands import organizations
from portal.teams.commands import teams
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient


def tabs_in(page: str) -> dict[str, str]:
    """The numbers at the tabs of a page, without tabs that have none."""
    nav = page.partition('<nav class="tabs"')[2].partition("</nav>")[0]
    return dict(re.findall(r">([A-Z][^<]*?)\s*<span>([^<]+)</span>", nav))


def test_the_tabs_of_organizations_show_how_many_are_in_each(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, birch: Tenant
) -> None:
    build.tenant("Closed", deleted_at=now())
    sign_in(root)

    for query in ("", "?status=deleted", "?sort=-created_at&page=last"):
        assert tabs_in(client.get(f"/organizations/{query}").text) == {"Active": "2", "Deleted": "1"}, query
    assert "1–2 of 2" in client.get("/organizations/").text
    for query, shown in (
        ("?q=acme", {"Active": "1"}), ("?administrators=none", {"Active": "2"}),
        ("?q=closed&status=deleted", {"Deleted": "1"}), ("?q=%25<b>&status=deleted", {"Deleted": "0"}),
    ):  # fmt: skip
        assert tabs_in(client.get(f"/organizations/{query}").text) == shown, query


def test_the_tabs_of_teams_count_those_of_the_tenant_and_of_the_chosen_organization(
    client: PageClient, app: Flask, sign_in: SignIn, build: Builder, root: Person, ada: Person, acme: Tenant,
    birch: Tenant,
) -> None:  # fmt: skip
    gone = build.tenant("Closed")
    with acting(app):
        for name, tenant in (("One", acme), ("Two", acme), ("Old", acme), ("Else", birch), ("Lost", gone)):
            key = teams.create({"name": name, "organization_id": tenant.id}, row_id=uuid.uuid4())
            if name == "Old":
                teams.delete(key)
        organizations.delete(gone.id)

    sign_in(ada)
    assert tabs_in(client.get("/teams/").text) == {"Active": "2", "Deleted": "1"}
    assert tabs_in(client.get(f"/teams/?organization={birch.id}").text) == {"Active": "0", "Deleted": "0"}
    everywhere = page_client(app, root)
    both = f"?status=deleted&organization={acme.id},{birch.id}"
    for query in ("", both):
        assert tabs_in(everywhere.get(f"/teams/{query}").text) == {"Active": "3", "Deleted": "1"}, query
    assert tabs_in(everywhere.get(f"/teams/?person={ada.id}").text) == {"Active": "0"}
    assert tabs_in(everywhere.get("/teams/?q=o&organization=nonsense").text) == {"Active": "0"}


def test_numbers_stop_at_a_bound(
    client: PageClient, sign_in: SignIn, root: Person, acme: Tenant, birch: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tallies._tally.cache_clear()
    monkeypatch.setattr(tallies, "BOUND", 1)
    monkeypatch.setattr("portal.organizations.queries.BOUND", 1)
    counts.forget()
    sign_in(root)

    page = client.get("/organizations/?page=last").text
    tallies._tally.cache_clear()

    assert tabs_in(page) == {"Active": "1+", "Deleted": "0"}
