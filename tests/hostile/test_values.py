"""Hostile values, in every place that accepts input, cause no error, leak or unescaped output."""

from __future__ import annotations

import json
import uuid

import pytest
from flask import Flask

from tests.cast import Builder, Person, Tenant
from tests.hostile.corpus import EVERYTHING, GROUPS
from tests.hostile.prober import Prober
from tests.pages import HTMX

GROUP = pytest.mark.parametrize("group", GROUPS)
USER_LIST = (
    "q", "status", "role", "organization", "verified", "created_from", "last_sign_in", "last_sign_in_before", "sort",
    "per_page", "page", "after",
)  # fmt: skip
TENANT_LIST = ("q", "status", "sort", "per_page", "page", "before", "unknown", "q[]", "organization_id")
ACTIVITY = (
    "q", "status", "row", "by", "action", "field", "from", "to", "sort", "per_page", "page", "after", "before", "x",
)  # fmt: skip
ACTIVITY_ONE_AT_A_TIME = ("q", "row", "by", "from", "to", "after")
USER_FIELDS = ("first_name", "last_name", "email", "role", "organization_id", "is_active", "row", "anew")
TENANT_FIELDS = ("name", "slug", "row")
EDIT_FIELDS = ("version", "base")
PROFILE = ("first_name", "last_name")
STRENGTH = ("password", "words", "minimum")
PASSWORDS = ("current_password", "password")
SIGN_IN = ("email", "password", "next")
COOKIES = ("portal", "portal-theme", "session", "remember_token")
HEADERS = (
    "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_HX_CURRENT_URL", "HTTP_HX_TARGET", "HTTP_HX_SOURCE", "HTTP_ACCEPT",
    "HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE",
    "HTTP_ORIGIN", "HTTP_X_REQUEST_ID", "HTTP_X_CSRFTOKEN", "HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "CONTENT_TYPE",
)  # fmt: skip
PATHS = ("/{}", "/users/{}", "/organizations/{}/edit", "/static/{}", "/activity/{}", "/activity/people/{}")
ONE_AT_A_TIME = ("q", "after", "last_sign_in_before")
PLACES = (
    len(USER_LIST) + len(ONE_AT_A_TIME) + len(TENANT_LIST) + len(USER_FIELDS) * 2 + len(TENANT_FIELDS) * 2
    + len(ACTIVITY) * 2 + len(ACTIVITY_ONE_AT_A_TIME)
    + len(EDIT_FIELDS) * 3 + len(PROFILE) + 1 + len(STRENGTH) + len(PASSWORDS)
    + len(SIGN_IN) + len(COOKIES) + len(HEADERS) + len(PATHS)
)  # fmt: skip


@pytest.fixture
def admin(app: Flask, ada: Person) -> Prober:
    return Prober(app, ada)


@pytest.fixture
def super_admin(app: Flask, root: Person) -> Prober:
    return Prober(app, root)


@pytest.fixture
def anonymous(app: Flask) -> Prober:
    return Prober(app, None)


def test_in14_more_than_ten_thousand_values_are_tried_in_more_than_sixty_places() -> None:
    assert PLACES > 60
    assert PLACES * len(EVERYTHING) > 10_000


@GROUP
def test_in1_in3_in4_in13_in16_hostile_arguments_of_lists(
    admin: Prober, super_admin: Prober, uma: Person, group: str
) -> None:
    for value in GROUPS[group]:
        admin.get("/users/", dict.fromkeys(USER_LIST, value), htmx=True)
        super_admin.get("/organizations/", dict.fromkeys(TENANT_LIST, value), htmx=True)
        super_admin.get("/organizations/options", {"organization_id": value})


@pytest.mark.parametrize("name", ONE_AT_A_TIME)
def test_in3_in4_in5_one_hostile_argument_at_a_time(super_admin: Prober, uma: Person, name: str) -> None:
    for value in EVERYTHING:
        super_admin.get("/users/", {name: value}, htmx=True)


@GROUP
def test_in1_in3_in4_in13_in16_hostile_arguments_of_the_history(
    admin: Prober, super_admin: Prober, acme: Tenant, uma: Person, group: str
) -> None:
    for value in GROUPS[group]:
        together = dict.fromkeys(ACTIVITY, value)
        admin.get("/activity/", together, htmx=True)
        super_admin.get("/activity/export", together)
        for path in (f"/activity/people/{uma.id}", f"/activity/organizations/{acme.id}"):
            super_admin.get(path, {"at": value, "after": value})


@pytest.mark.parametrize("name", ACTIVITY_ONE_AT_A_TIME)
def test_in3_in4_in5_one_hostile_argument_of_the_history_at_a_time(admin: Prober, uma: Person, name: str) -> None:
    for value in EVERYTHING:
        admin.get("/activity/", {name: value}, htmx=True)


@GROUP
def test_in1_in3_a_hostile_version_to_undo(super_admin: Prober, acme: Tenant, uma: Person, group: str) -> None:
    for value in GROUPS[group]:
        for path in (f"/activity/people/{uma.id}/undo", f"/activity/organizations/{acme.id}/undo"):
            assert super_admin.post(path, {"version": value, value[:20]: value}).status_code in (400, 404, 413), value


@GROUP
def test_in6_in7_in9_hostile_fields_of_new_people_and_organizations(super_admin: Prober, group: str) -> None:
    for value in GROUPS[group]:
        super_admin.post("/users/new", dict.fromkeys(USER_FIELDS, value))
        super_admin.post("/organizations/new", dict.fromkeys(TENANT_FIELDS, value))


@GROUP
def test_in6_in7_in9_hostile_fields_of_edits(
    super_admin: Prober, build: Builder, acme: Tenant, uma: Person, group: str
) -> None:
    for value in GROUPS[group]:
        super_admin.post(f"/users/{uma.id}/edit", dict.fromkeys((*USER_FIELDS, *EDIT_FIELDS), value))
        super_admin.post(f"/organizations/{acme.id}/edit", dict.fromkeys((*TENANT_FIELDS, *EDIT_FIELDS), value))
        right = {"email": uma.email, "role": "USER", "is_active": "true", "organization_id": "acme"}
        base = json.dumps({"first_name": value, "email": value, "role": value, "x": value})
        super_admin.post(f"/users/{uma.id}/edit", {**right, "first_name": "Mine", "base": base, "version": value})


@GROUP
def test_in1_in6_in9_hostile_fields_of_the_account(super_admin: Prober, anonymous: Prober, group: str) -> None:
    for value in GROUPS[group]:
        super_admin.post("/account/", {**dict.fromkeys(PROFILE, value), "time_zone": ""})
        super_admin.post("/account/", {"time_zone": value})
        anonymous.post("/account/password/strength", dict.fromkeys(STRENGTH, value))
        super_admin.post("/account/password", dict.fromkeys(PASSWORDS, value))
        super_admin.post("/theme", {"theme": value, "next": value})
        super_admin.post("/account/devices/end", {"session": value})
        anonymous.post("/login", dict.fromkeys(SIGN_IN, value))


@GROUP
def test_in1_in2_hostile_paths_are_refused(super_admin: Prober, anonymous: Prober, group: str) -> None:
    for value in GROUPS[group]:
        for path in PATHS:
            answer = super_admin.at_path(path.format(value), value)
            listed = path.format(value).rstrip("/ ") in ("", "/users", "/organizations", "/activity")
            harmless = listed or not value.strip("./")
            assert harmless or answer.status_code in (308, 400, 404, 405), value
        assert super_admin.at_path(f"/users/{value}/delete", value, "POST").status_code in (308, 400, 404, 405), value
        anonymous.at_path(f"/{value}", value)


@GROUP
def test_in1_in13_hostile_cookies_are_ignored(app: Flask, ada: Person, group: str) -> None:
    prober = Prober(app, None)
    for value in GROUPS[group]:
        raw = value.encode("utf-8", "surrogatepass").decode("latin-1")
        line = "; ".join(f"{name}={raw}" for name in COOKIES)
        answer = prober.send("GET", "/users/", [value], environ_overrides={"HTTP_COOKIE": line})
        assert answer.status_code in (303, 400), value


@GROUP
def test_in1_in14_hostile_headers_cause_no_error(admin: Prober, group: str) -> None:
    for value in GROUPS[group]:
        raw = value.encode("utf-8", "surrogatepass").decode("latin-1")
        fragment = {"HTTP_HX_REQUEST": "true", "HTTP_HX_REQUEST_TYPE": "partial"}
        sent = {**dict.fromkeys(HEADERS, raw), **fragment}
        admin.send("GET", "/users/?q=a", [value], environ_overrides=sent)


@GROUP
def test_in6_in8_stored_values_are_escaped_everywhere(super_admin: Prober, group: str) -> None:
    values = GROUPS[group]
    for value in values:
        path = _stored(super_admin, "/users/new", {"first_name": value, "last_name": value, **_person()})
        if path is not None:
            super_admin.send("GET", path, [value])
            super_admin.send("GET", f"{path}/edit", [value])
            super_admin.send("GET", path.replace("/users/", "/activity/people/"), [value])
        _stored(super_admin, "/organizations/new", {"name": value, "slug": uuid.uuid4().hex})

    for path in ("/users/", "/organizations/", "/organizations/options", "/activity/"):
        super_admin.send("GET", f"{path}?per_page=100", values)


@pytest.mark.parametrize("value", ["<b>x</b>", "\"'><x>", "{{1234567*7654321}}", "<script>alert(1)</script>"])
def test_in8_messages_dialogs_and_titles_are_escaped(super_admin: Prober, value: str) -> None:
    person = _stored(super_admin, "/users/new", {"first_name": value, **_person()})
    tenant = _stored(super_admin, "/organizations/new", {"name": value, "slug": uuid.uuid4().hex})

    for path in (f"{person}/deactivation", f"{person}/password", f"{person}/delete", f"{tenant}/delete"):
        super_admin.send("GET", path, [value])
        super_admin.send("GET", path, [value], headers=HTMX)
        super_admin.post(path, {"x": value})
        super_admin.send("GET", "/", [value])
    for path in (f"{person}/restore", f"{tenant}/restore", f"{tenant}/edit"):
        super_admin.post(path, {"name": value, "slug": "x", "version": "1", "base": json.dumps({"name": "was"})})
        super_admin.send("GET", str(tenant), [value])


@pytest.mark.parametrize("value", ["<b>x</b>", "\"'><x>", "{{1234567*7654321}}", "<script>alert(1)</script>"])
def test_in8_changed_values_are_escaped_in_the_history(super_admin: Prober, uma: Person, value: str) -> None:
    right = {**_person(), "email": uma.email, "organization_id": "acme", "base": "{}"}
    for version, name in enumerate((value, f"{value}2", f"{value}3"), start=1):
        super_admin.post(f"/users/{uma.id}/edit", {**right, "first_name": name, "version": str(version)})

    super_admin.post(f"/activity/people/{uma.id}/undo", {"version": "2"})
    message = super_admin.get(f"/users/{uma.id}")

    assert "has changed since" in message
    for path in ("/activity/", f"/activity/people/{uma.id}", f"/activity/?q={uma.id}", f"/users/{uma.id}"):
        super_admin.send("GET", path, [value, f"{value}2", f"{value}3"])


def _person() -> dict[str, str]:
    return {"email": f"{uuid.uuid4().hex}@example.com", "role": "USER", "is_active": "true"}


def _stored(prober: Prober, path: str, values: dict[str, str]) -> str | None:
    """The URL of the new row, or None if the form refused it."""
    answer = prober.post(path, values)
    assert answer.status_code in (201, 303, 400, 422), values
    return answer.headers.get("Location")
