"""What is published of the comparison: statistics, tables, the page and its chart."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import report
from bench.figures import Figures, Round, details, growth, percentile, ratios, summary, table
from bench.programs import TITLES


def figures(per_second: float) -> Figures:
    return Figures(
        per_second, median=1.25, p99=20, application=0.5, database=0.25, statements=3, statement_time=0.75, kilobytes=7,
        compressed=2, refused=1_234,
    )  # fmt: skip


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert percentile(hundred, 99) == 99
    assert percentile(hundred, 100) == 100
    assert percentile([3.0, 1.0], 50) == 1
    assert percentile([7.0], 99) == 7


def test_figures_take_the_median_of_rounds_and_share_what_they_took_among_requests() -> None:
    quick = Round(1, [1.0] * 30, 0.03, 0.01, size=2_000, compressed=900, statements=90, statement_time=6)
    slow = Round(2, [5.0] * 10, 0.05, 0.03, size=2_500, compressed=800, refused=7, statements=40, statement_time=30)
    usual = Round(1, [2.0] * 20, 0.04, 0.02, size=2_000, compressed=900, refused=2, statements=50, statement_time=24)
    found = Figures.of([quick, slow, usual])
    assert (found.per_second, found.median, found.p99) == (20, 1.5, 5)
    assert (found.kilobytes, found.compressed, found.refused) == (2.5, 0.9, 9)
    costs = found.application, found.database, found.statements, found.statement_time
    assert costs == pytest.approx((2, 1, 3, 1))


def test_a_program_that_refuses_everything_has_no_speed() -> None:
    found = Figures.of([Round(1, [], refused=5)])
    assert (found.per_second, found.median, found.refused) == (0, float("inf"), 5)


def test_ratios_are_to_the_floor_and_to_the_faster_peer() -> None:
    measured = {"floor": figures(200), "portal": figures(100), "Django admin": figures(10), "Flask-Admin": figures(25)}
    assert ratios(measured) == (0.5, 4)
    assert ratios({"portal": figures(100)}) == (None, None)
    assert ratios({"floor": figures(100)}) == (None, None)


def test_growth_is_how_much_longer_a_request_takes_with_the_most_people() -> None:
    text = growth({"W1 people": {"few": figures(130), "many": figures(100)}}, ["few", "many"])
    assert _cells(text.splitlines()[2]) == ["W1 people", "130", "100", "1.30", "1.30"]


def test_a_table_is_even_and_markdown() -> None:
    assert table([["workload", "ms"], ["W1", "1,234"], ["W10 dashboard", "7"]]).splitlines() == [
        "| workload      |    ms |",
        "| ------------- | ----: |",
        "| W1            | 1,234 |",
        "| W10 dashboard |     7 |",
    ]


def test_the_tables_show_every_program_and_what_was_not_measured() -> None:
    results = {
        "W1 people": {"floor": figures(1_578.4), "portal": figures(140)},
        "W10 dashboard": {"portal": figures(90)},
    }
    head, _, first, second = (_cells(line) for line in summary(results, list(TITLES.values())).splitlines())
    assert head == ["workload", *TITLES.values(), "of the floor", "goal", "times the best peer", "goal"]
    assert first == ["W1 people", "1,578", "140", "-", "-", "0.09", "0.33", "-", "25.0"]
    assert second == ["W10 dashboard", "-", "90", "-", "-", "-", "-", "-", "-"]
    shown = [_cells(line) for line in details(results).splitlines()[2:]]
    assert [line[:2] for line in shown] == [
        ["W1 people", "floor"],
        ["W1 people", "portal"],
        ["W10 dashboard", "portal"],
    ]
    assert shown[0][2:] == ["1,578", "1.2", "20.0", "0.50", "0.25", "3.0", "0.75", "7.0", "2.0", "1,234"]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_section_is_published_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Ours\n<!-- growth: written by make bench -->\nold\n<!-- end of growth -->\nours, too\n")
    for text in ("first", "| a |"):
        report.publish("growth", text, page)
    whole = "# Ours\n<!-- growth: written by make bench -->\n\n| a |\n\n<!-- end of growth -->\nours, too\n"
    assert page.read_text() == whole
    with pytest.raises(SystemExit, match="has no section servers"):
        report.publish("servers", "x", page)


def test_the_page_has_a_section_for_all_that_can_be_measured() -> None:
    page = report.PAGE.read_text()
    for section in ("comparison", "growth", "servers", "history"):
        assert f"<!-- {section}: written by make bench -->\n" in page
        assert f"<!-- end of {section} -->" in page


def test_the_chart_shows_the_portal_the_best_peer_and_the_goal_in_light_and_dark(tmp_path: Path) -> None:
    results = {
        "W1 people": {"floor": figures(1_000), "portal": figures(300), "Django admin": figures(20)},
        "W13 signing in": {"floor": figures(8), "portal": figures(8)},
        "W10 dashboard": {"portal": figures(90)},
    }
    path = tmp_path / "chart.svg"
    report.draw(results, path)
    chart = ElementTree.fromstring(path.read_text())  # noqa: S314 -- our own
    texts = [one.text for one in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {"W1 people", "W13 signing in", "30%", "2%", "100%"} <= set(texts)
    assert "W10 dashboard" not in texts
    assert "prefers-color-scheme:dark" in path.read_text()
