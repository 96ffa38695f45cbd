"""What the forms accept about a person."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.actor import Actor, Role
from portal.core.clock import now
from portal.core.db import acting_as
from portal.core.email_addresses import canonical_email
from portal.core.text import tidy
from portal.users.forms import UserForm
from portal.users.models import User
from tests.access.visitor import DONE, Visitor, outcome
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, fields_of


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ADA@BÜCHER.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_au12_an_address_has_one_canonical_form(typed: str, kept: str) -> None:
    assert canonical_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "ada", "@", "ada@", "@example.com", "a@@b.com", "a b@example.com", "ada@example", "ada@-x.com",
     "\u0430da@example.com", "ad\u0131@example.com", "ada@ex\u0430mple.com", "ada@exa_mple.com",
     "ada@" + "a." * 130 + "com", "ada@example.com\nBcc: x@example.com", "ada@[127.0.0.1]"],
)  # fmt: skip
def test_au12_invalid_and_lookalike_addresses_are_refused_with_a_message(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        canonical_email(typed)


@pytest.fixture
def as_ada(app: Flask, ada: Person) -> Iterator[None]:
    with app.test_request_context(method="POST"), acting_as(Actor(ada.id, Role.ADMIN, ada.organization_id)):
        yield


def test_in6_text_is_trimmed_and_normalized(app: Flask) -> None:
    assert tidy("  Ada \u00a0  Lovelace\t") == "Ada Lovelace"
    assert tidy("e\u0301") == "é"
    assert tidy("   ") is None
    assert tidy(None) is None


def test_in6_a_thousand_letters_are_kept_as_typed(app: Flask) -> None:
    letters = [chr(code) for code in range(0xA1, 0x2FFF, 11) if unicodedata.category(chr(code))[0] in "LNPS"]
    assert len(letters) > 800

    for letter in letters:
        kept = unicodedata.normalize("NFC", letter)
        assert tidy(f"x{letter}x") == unicodedata.normalize("NFC", f"x{kept}x")


def offered(form: UserForm) -> list[str]:
    return re.findall(r'value="([^"]+)"', str(form.role()))


@pytest.mark.usefixtures("as_ada")
def test_an_admin_is_offered_two_roles_and_no_organization() -> None:
    form = UserForm()

    assert offered(form) == ["USER", "ADMIN"]
    assert "organization_id" not in form


def test_a_super_admin_is_offered_every_role_and_the_organization(app: Flask, root: Person) -> None:
    with app.test_request_context(method="POST"), acting_as(Actor(root.id, Role.SUPER_ADMIN)):
        form = UserForm()

        assert offered(form) == ["USER", "ADMIN", "SUPER_ADMIN"]
        assert "organization_id" in form


@pytest.mark.parametrize("text", ["a\x1bb", "a\x00b", "a\x7fb", "\x85x\x9f"])
def test_in6_control_characters_are_refused(app: Flask, ada: Person, text: str) -> None:
    sent = {"first_name": text, "email": "a@example.com", "role": "USER", "is_active": "true"}
    actor = Actor(ada.id, Role.ADMIN, ada.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        form = UserForm(meta={"csrf": False})

        assert not form.validate()
        assert form.first_name.errors == ["Remove the control characters."]


@pytest.mark.parametrize(("size", "fits"), [(80, True), (81, False)])
def test_in7_lengths_are_checked_before_the_database(app: Flask, ada: Person, size: int, *, fits: bool) -> None:
    sent = {"first_name": "é" * size, "email": "a@example.com", "role": "USER", "is_active": "true"}
    actor = Actor(ada.id, Role.ADMIN, ada.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        assert UserForm(meta={"csrf": False}).validate() is fits


# Values that the form would refuse today, but that other programs or earlier rules have written.
LEGACY: dict[str, Any] = {
    "email": "Old.Style@corp", "first_name": "A" * 200, "last_name": "Be\u200brg \x07 \u202eof  Y\u0301ork",
}  # fmt: skip
EMAILS = [
    "Old.Style@corp",
    "anne berg@example.com",
    " anne@example.com ",
    "anne@mail..example",
    "no address at all",
    "ｗide@example.com",
]
WRITERS = pytest.mark.parametrize("writer", ["root", "ada"])
REQUESTS = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


def columns_of(build: Builder, person: Person) -> dict[str, Any]:
    user = build.read(User, person.id)
    return {name: getattr(user, name) for name in ("first_name", "last_name", "email", "role", "organization_id")}


def sent_of(visitor: Visitor, person: Person) -> dict[str, str]:
    """The form as a browser would submit it unchanged: without line breaks, and with the address trimmed."""
    fields = fields_of(visitor.get(f"/users/{person.id}/edit").text)
    return {name: value.replace("\n", "") for name, value in fields.items()} | {"email": fields["email"].strip()}


@WRITERS
@REQUESTS
def test_a_person_with_values_that_the_form_would_refuse_can_be_edited(
    app: Flask, build: Builder, acme: Tenant, root: Person, ada: Person, writer: str, headers: dict[str, str]
) -> None:
    person = build.person(tenant=acme, **LEGACY)
    before, visitor = columns_of(build, person), Visitor(app, {"root": root, "ada": ada}[writer])

    answer = visitor.post(
        f"/users/{person.id}/edit", {**sent_of(visitor, person), "last_name": "Berg"}, headers=headers
    )

    assert outcome(answer) == DONE
    assert columns_of(build, person) == {**before, "last_name": "Berg"}
    assert build.read(User, person.id).pending_email is None


@pytest.mark.parametrize("email", EMAILS)
def test_saving_another_field_keeps_an_address_byte_for_byte(
    app: Flask, build: Builder, acme: Tenant, root: Person, email: str
) -> None:
    person, visitor = build.person(email, tenant=acme), Visitor(app, root)

    answer = visitor.post(f"/users/{person.id}/edit", {**sent_of(visitor, person), "first_name": "Anne"})

    assert answer.status_code == 303
    assert (build.read(User, person.id).email, build.read(User, person.id).first_name) == (email, "Anne")


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "Old.Style@corp2"), ("email", "old.style@corp"), ("first_name", "A" * 199), ("last_name", "a\x07b"),
     ("role", "KING"), ("is_active", "perhaps"), ("organization_id", "nowhere")],
)  # fmt: skip
def test_changed_fields_are_validated_even_if_the_base_is_forged(
    app: Flask, build: Builder, acme: Tenant, root: Person, field: str, value: str
) -> None:
    person = build.person(tenant=acme, **LEGACY)
    before, visitor = columns_of(build, person), Visitor(app, root)
    sent = {**sent_of(visitor, person), field: value}
    sent["base"] = json.dumps({**json.loads(sent["base"]), field: value})

    answer = visitor.post(f"/users/{person.id}/edit", sent)

    assert answer.status_code == 422
    assert columns_of(build, person) == before


def test_an_error_in_one_field_keeps_the_stored_values_of_the_others(
    app: Flask, build: Builder, acme: Tenant, root: Person
) -> None:
    person = build.person(tenant=acme, **LEGACY)
    visitor = Visitor(app, root)
    answer = visitor.post(f"/users/{person.id}/edit", {**sent_of(visitor, person), "email": "wrong"})

    again = visitor.post(f"/users/{person.id}/edit", {**fields_of(answer.text), "email": "right@example.com"})

    assert (answer.status_code, again.status_code) == (422, 303)
    user = build.read(User, person.id)
    assert (user.first_name, user.last_name) == (LEGACY["first_name"], LEGACY["last_name"])


@REQUESTS
def test_a_person_of_a_deleted_organization_can_be_edited_and_stays_in_it(
    app: Flask, build: Builder, root: Person, headers: dict[str, str]
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    person, visitor = build.person("p@example.com", tenant=gone), Visitor(app, root)

    answer = visitor.post(
        f"/users/{person.id}/edit", {**sent_of(visitor, person), "last_name": "Berg"}, headers=headers
    )

    assert outcome(answer) == DONE
    user = build.read(User, person.id)
    assert (user.last_name, user.organization_id) == ("Berg", gone.id)


def test_a_person_can_be_moved_from_a_deleted_organization_to_its_namesake(
    app: Flask, build: Builder, root: Person
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    anew = build.tenant("Gone")
    person, visitor = build.person("p@example.com", tenant=gone), Visitor(app, root)
    sent = sent_of(visitor, person)

    unchanged = visitor.post(f"/users/{person.id}/edit", {**sent, "last_name": "Berg"})
    kept = build.read(User, person.id).organization_id
    question = visitor.post(f"/users/{person.id}/edit", {**sent_of(visitor, person), "organization_id": "gone"})
    moved = visitor.post(f"/users/{person.id}/edit", fields_of(question.text))

    assert (unchanged.status_code, moved.status_code) == (303, 303)
    assert (kept, build.read(User, person.id).organization_id) == (gone.id, anew.id)


def test_an_organization_with_capital_letters_in_its_slug_is_found_by_it(
    app: Flask, build: Builder, root: Person, uma: Person
) -> None:
    old = build.tenant("Old", slug="Old_Style")
    visitor = Visitor(app, root)

    question = visitor.post(f"/users/{uma.id}/edit", {**sent_of(visitor, uma), "organization_id": "Old_Style"})
    answer = visitor.post(f"/users/{uma.id}/edit", fields_of(question.text))

    assert answer.status_code == 303
    assert build.read(User, uma.id).organization_id == old.id


def test_concurrent_edits_of_a_person_with_legacy_values_are_merged(
    app: Flask, build: Builder, acme: Tenant, root: Person, ada: Person
) -> None:
    person = build.person(tenant=acme, **LEGACY)
    one, other = Visitor(app, root), Visitor(app, ada)
    mine, theirs = sent_of(one, person), sent_of(other, person)
    other.post(f"/users/{person.id}/edit", {**theirs, "first_name": "Anne"})

    conflict = one.post(f"/users/{person.id}/edit", {**mine, "last_name": "Berg"})
    saved = one.post(f"/users/{person.id}/edit", fields_of(conflict.text))

    assert (conflict.status_code, saved.status_code) == (409, 303)
    user = build.read(User, person.id)
    assert (user.first_name, user.last_name, user.email) == ("Anne", "Berg", "Old.Style@corp")


@pytest.mark.parametrize("email", ["Old.Style@corp", "anne berg@example.com", "no address at all"])
def test_a_person_with_a_legacy_address_can_be_deactivated_deleted_restored_and_undone(
    app: Flask, build: Builder, acme: Tenant, ada: Person, email: str
) -> None:
    person, visitor = build.person(**{**LEGACY, "tenant": acme, "email": email}), Visitor(app, ada)
    before = columns_of(build, person)
    for path, sent in (("deactivation", {}), ("deactivation", {"is_active": "1"}), ("password", {})):
        assert visitor.post(f"/users/{person.id}/{path}", sent).status_code == 303, path
    assert visitor.confirm(f"/users/{person.id}/delete").status_code == 303
    assert visitor.post(f"/users/{person.id}/restore").status_code == 303
    visitor.post(f"/users/{person.id}/edit", {**sent_of(visitor, person), "last_name": "Berg"})
    version = build.read(User, person.id).version

    undone = visitor.post(f"/activity/people/{person.id}/undo", {"version": str(version)})

    assert undone.status_code == 303
    assert columns_of(build, person) == before


def test_an_invitation_to_a_legacy_address_can_be_resent_and_its_link_copied(
    app: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    person, visitor = build.person(tenant=acme, **LEGACY, invited_at=now()), Visitor(app, ada)

    assert visitor.post(f"/users/{person.id}/invitation").status_code == 303
    assert visitor.post(f"/users/{person.id}/invitation/link").status_code == 200


@REQUESTS
def test_a_profile_with_a_legacy_name_can_be_saved(
    app: Flask, build: Builder, acme: Tenant, headers: dict[str, str]
) -> None:
    person = build.person(tenant=acme, **LEGACY, time_zone="Mars/Phobos")
    visitor = Visitor(app, person)
    sent = fields_of(visitor.get("/account/").text)

    answer = visitor.post("/account/", {**sent, "last_name": "Berg"}, headers=headers)
    refused = visitor.post("/account/", {**sent, "first_name": "A" * 199}, headers=headers)

    user = build.read(User, person.id)
    assert (outcome(answer), refused.status_code) == (DONE, 422)
    assert (user.first_name, user.last_name, user.time_zone) == (LEGACY["first_name"], "Berg", "Mars/Phobos")


@pytest.mark.parametrize(
    ("kinds", "email", "status"),
    [
        ((), "root@mailhost", 422), (("internal",), "root@mailhost", 303), (("internal",), "a@corp.local", 303),
        ((), "josé@example.com", 422), (("international",), "josé@example.com", 303), (("internal",), "josé@corp", 422),
        (("internal", "international"), "josé@corp", 303),
    ],
)  # fmt: skip
def test_a_setting_decides_which_kinds_of_addresses_are_accepted(
    app: Flask, ada: Person, change_settings: Callable[..., None], kinds: tuple[str, ...], email: str, status: int
) -> None:
    change_settings(email_kinds=kinds)

    answer = Visitor(app, ada).post("/users/new", {"email": email, "role": "USER", "is_active": "true"})
    again = Visitor(app, ada).post("/users/new", {"email": email.upper(), "role": "USER", "is_active": "true"})
    made = app.test_cli_runner().invoke(args=["users", "create", f"x{email}"])

    assert answer.status_code == status
    assert again.status_code == 422
    assert made.exit_code == (2 if status == 422 else 0)


@pytest.mark.parametrize("typed", ["anne@müller.example", "ANNE@MÜLLER.example", "anne@xn--mller-kva.example"])
def test_an_international_domain_is_shown_in_unicode_and_both_spellings_sign_in(
    app: Flask, build: Builder, acme: Tenant, ada: Person, typed: str
) -> None:
    person = build.person("anne@xn--mller-kva.example", tenant=acme, first_name=None, last_name=None)
    visitor, shown = Visitor(app, ada), "anne@müller.example"
    fields = fields_of(visitor.get(f"/users/{person.id}/edit").text)

    kept = visitor.post(f"/users/{person.id}/edit", {**fields, "email": typed, "first_name": "Anne"})

    assert Visitor(app).post("/login", {"email": typed, "password": PASSWORD}).status_code == 303
    assert (fields["email"], kept.status_code) == (shown, 303)
    user = build.read(User, person.id)
    assert (user.email, user.pending_email, user.first_name) == (person.email, None, "Anne")


def test_no_page_shows_the_punycode_of_a_readable_domain(app: Flask, build: Builder, acme: Tenant, ada: Person) -> None:
    person = build.person(
        "anne@xn--mller-kva.example", tenant=acme, first_name=None, last_name=None, pending_email="a@xn--strae-oqa.de",
        role=Role.ADMIN,
    )  # fmt: skip
    visitor, own = Visitor(app, ada), Visitor(app, person)
    visitor.post(f"/users/{person.id}/verification/cancellation")
    fields = fields_of(visitor.get(f"/users/{person.id}/edit").text)
    visitor.post(f"/users/{person.id}/edit", {**fields, "email": "new@straße.de"})

    one = f"/users/{person.id}"
    seen = ("/users/", one, f"{one}/edit", f"{one}/delete", "/activity/", f"/activity/people/{person.id}")
    pages = [visitor.get(path).text for path in seen]
    pages += [own.get(path).text for path in ("/", "/account/", "/account/email", "/account/password")]

    for page in pages:
        visible_part = re.sub(r'<input[^>]*(name="base"|autocomplete="username"|hx-vals=)[^>]*>', "", page)
        assert "xn--" not in visible_part, re.findall(r".{60}xn--.{40}", visible_part)


def test_the_form_shows_the_organizations_name_and_its_slug(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    tenant = build.tenant("Søren & Sons", slug="soren-2")
    person = build.person("p@example.com", tenant=tenant)
    sign_in(root)

    text = client.get(f"/users/{person.id}/edit").text

    assert fields_of(text)["organization_id"] == "Søren & Sons"
    assert "URL name: soren-2." in text
    assert "soren-2" not in client.get(f"/users/{root.id}/edit").text


def test_a_person_stays_in_an_organization_with_an_ambiguous_name(app: Flask, build: Builder, root: Person) -> None:
    tenants = [build.tenant("Acme", slug=slug) for slug in ("acme-one", "acme-two")]
    tenants.append(build.tenant("acme-two", slug="third"))
    visitor = Visitor(app, root)
    for tenant in tenants:
        person = build.person(f"{tenant.slug}@example.com", tenant=tenant)

        saved = visitor.post(f"/users/{person.id}/edit", {**sent_of(visitor, person), "last_name": "Berg"})

        assert saved.status_code == 303
        user = build.read(User, person.id)
        assert (user.last_name, user.organization_id) == ("Berg", tenant.id)


@pytest.mark.parametrize(
    ("slug", "filled_in"),
    [("acme-one", "acme-one"), ("birch", "Birch"), ("third", "third"), ("nobody", "nobody"), ("", "")],
)
def test_a_link_to_a_new_person_fills_in_the_organizations_name_unless_it_is_ambiguous(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, birch: Tenant, slug: str, filled_in: str
) -> None:
    one, two = (build.tenant("Acme", slug=slug) for slug in ("acme-one", "acme-two"))
    third = build.tenant("acme-two", slug="third")
    sign_in(root)

    made = client.send("/users/new", {"email": "n@example.com"}, at=f"/users/new?organization={slug}")

    assert fields_of(client.get(f"/users/new?organization={slug}").text)["organization_id"] == filled_in
    meant = {"acme-one": one.id, "birch": birch.id, "third": third.id, "": None}
    if slug in meant:
        assert build.read(User, UUID(made.headers["Location"].rpartition("/")[2])).organization_id == meant[slug]
    else:
        assert made.status_code == 422
