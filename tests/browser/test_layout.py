"""At every width everything important is visible, complete and in its place."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN, UMA, Tabs, focused

WIDTHS = (320, 390, 640, 800, 1024, 1280)

# Finds truncated text: in boxes that are too small, and as the placeholder or selected option of a control.
CUT = """() => {
  const pen = document.createElement('canvas').getContext('2d');
  const shown = (element) => element.checkVisibility() && !element.closest('.visually-hidden, .sheet-box');
  const room = (element, style) => element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const cut = [];
  for (const element of document.querySelectorAll('a, button, label, summary, th, h1, h2, h3, dt, select, input')) {
    if (!shown(element)) continue;
    const style = getComputedStyle(element);
    const shownText = element.placeholder || element.selectedOptions?.[0]?.text;
    pen.font = style.font;
    if (shownText ? pen.measureText(shownText).width > room(element, style)
             : element.type !== 'date' && !element.value && style.display !== 'inline'
               && element.scrollWidth > element.clientWidth + 1)
      cut.push(element.outerHTML.slice(0, 160));
    if (element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      cut.push(`outside: ${element.outerHTML.slice(0, 160)}`);
  }
  return cut;
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(
    ("path", "person"),
    [
        ("/users/", ADMIN),
        ("/users/?role=SUPER_ADMIN&verified=yes&last_sign_in=never", ADMIN),
        ("/users/?status=deleted", ADMIN),
        ("/organizations/", ADMIN),
        ("/organizations/?status=deleted&q=x", ADMIN),
        ("/activity/?action=update&field=slug&from=2020-01-01", ADMIN),
        ("/account/second-factor", ADMIN),
        ("/account/tokens/", UMA),
        ("/browser/users?column=email", ADMIN),
        ("/", ADMIN),
        ("/login", None),
    ],
)
def test_nothing_is_cut_off_or_scrolls_sideways_at_any_width(tabs: Tabs, path: str, person: str | None) -> None:
    page = tabs.open(person)
    page.goto(path)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert (width, page.evaluate(CUT), max(page.evaluate(SIDEWAYS), 0)) == (width, [], 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_messages_on_narrow_pages_are_above_the_form_and_cover_nothing(tabs: Tabs, width: int) -> None:
    page = tabs.open()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/password/forgot")
    page.get_by_label("Email").fill(f"nobody{width}@example.com")
    page.get_by_role("button", name="Send link").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.wait_for_load_state()  # the style sheets decide where things are

    message, form = (page.locator(one).bounding_box() for one in ("#toasts .note", "main form.card"))

    assert message is not None
    assert form is not None
    assert message["y"] + message["height"] < form["y"]
    assert (message["x"], message["width"]) == (form["x"], form["width"])
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#toasts .note")).to_have_count(0)


def test_the_check_finds_text_that_is_cut_off(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    page.get_by_role("searchbox").evaluate("field => field.placeholder = 'Name '.repeat(60)")
    page.get_by_label("Role: any").evaluate("field => field.options[0].text = 'Role '.repeat(60)")

    assert len(page.evaluate(CUT)) == 2


@pytest.mark.parametrize("width", [320, 390, 640])
def test_a_row_shows_organization_and_status_on_small_screens(tabs: Tabs, width: int) -> None:
    person = tabs.site.build.person(
        f"{tabs.site.fresh('idle')}@example.com", tenant=tabs.site.acme, first_name="Ida", is_active=False
    )
    page = tabs.open(ADMIN, width=width)
    page.goto(f"/users/?status=deactivated&q={person.email}")
    row = page.locator(".list tbody tr")

    for text in ("Ida Example", "Acme Logistics", "Deactivated", "User"):
        expect(row.get_by_text(text, exact=True)).to_be_in_viewport(ratio=1)
    expect(row.get_by_role("link", name="Edit")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    "path",
    [
        f"{path}{order}{key}"
        for path, keys in (
            ("/users/?sort=", ("name", "last_sign_in_at", "created_at")),
            ("/users/?status=deleted&sort=", ("deleted_at",)),
            ("/organizations/?sort=", ("name", "created_at")),
        )
        for key in keys
        for order in ("", "-")
    ],
)
def test_the_column_that_a_list_is_sorted_by_is_visible_at_every_width(tabs: Tabs, path: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(path)
    head = page.locator(".list th[aria-sort]")
    place = int(head.evaluate("cell => cell.cellIndex"))
    cell = page.locator(".list tbody tr").first.locator("td").nth(place)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        expect(head.get_by_role("link")).to_be_visible()
        expect(cell).to_be_visible()
        assert has_room(cell), width


def has_room(shown: Locator) -> bool:
    return bool(shown.evaluate("cell => cell.innerText.trim() && cell.scrollWidth <= cell.clientWidth"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_is_the_widest_control_and_filters_are_one_touch_away(tabs: Tabs, width: int) -> None:
    page = tabs.open(ADMIN, width=width)
    page.goto("/users/")
    more = page.get_by_text("Filters", exact=True)
    if width < 768:
        expect(page.get_by_label("Role: any")).to_be_hidden()
        more.click()
    else:
        expect(more).to_be_hidden()

    others = page.locator("#filters > :is(select, .form-control)")
    expect(others).to_have_count(3)
    expect(page.get_by_label("Role: any")).to_be_visible()
    assert width_of(page.get_by_role("searchbox")) >= max(width_of(one) for one in others.all())


def width_of(shown: Locator) -> float:
    box = shown.bounding_box()
    assert box
    return box["width"]


def test_filters_in_use_are_shown_on_a_phone(tabs: Tabs) -> None:
    page = tabs.open(ADMIN, width=390)
    page.goto("/users/?role=ADMIN")

    expect(page.get_by_label("Role: any")).to_be_visible()


def test_an_email_breaks_at_its_punctuation_and_is_copied_without_breaks(tabs: Tabs) -> None:
    email = f"{tabs.site.fresh('a.long-name-of-one-person')}@mail.example.com"
    tabs.site.build.person(email, tenant=tabs.site.acme)
    page = tabs.open(ADMIN, width=320)
    page.goto(f"/users/?q={email}")
    shown = page.locator(".list tbody small")

    assert shown.evaluate("node => (getSelection().selectAllChildren(node), getSelection().toString())") == email
    parts = shown.evaluate("node => [...node.childNodes].filter(({nodeType}) => nodeType === 3).map(text => text.data)")
    assert parts == [email.split(".")[0], "." + email.split(".", 1)[1].split("@")[0], "@mail", ".example", ".com"]


def test_the_page_is_focused_after_a_swap_without_an_outline(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/?q=okafor&role=USER")
    rings = "element => getComputedStyle(element).outlineStyle"

    page.keyboard.press("Tab")
    page.locator("main").evaluate("main => main.focus()")
    assert focused(page) == "main"
    assert page.locator("main").evaluate(rings) == "none"
    page.keyboard.press("Tab")
    assert page.locator(":focus").evaluate(rings) == "solid"


def test_tables_stay_tables_for_screen_readers_on_a_phone(tabs: Tabs) -> None:
    page = tabs.open(ADMIN, width=390)
    page.goto("/users/?q=okafor")

    row = page.get_by_role("row").nth(1)
    expect(row.get_by_role("cell").first).to_contain_text("Okafor")
    expect(page.get_by_role("columnheader", name="Organization")).to_be_attached()


def primary(page: Page) -> list[str]:
    return page.locator("main .btn-primary").all_inner_texts()


def test_a_persons_page_has_one_primary_action(tabs: Tabs) -> None:
    build, acme = tabs.site.build, tabs.site.acme
    active, gone = (build.person(f"{tabs.site.fresh('acts')}@example.com", tenant=acme) for _ in range(2))
    page = tabs.open(ADMIN)

    page.goto(f"/users/{active.id}")
    assert primary(page) == ["Edit"]
    page.goto(f"/users/{gone.id}/delete")
    page.get_by_role("button", name="Delete person").click()
    page.goto(f"/users/{gone.id}")
    assert primary(page) == ["Restore"]
