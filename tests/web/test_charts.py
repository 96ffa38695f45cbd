"""Charts as SVG."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from portal.web.charts import bars, line, short

FIRST = date(2026, 10, 30)
MONTHS = [date(2026, month, 1) for month in range(1, 13)]


def days(many: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(many)]


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (37, ["0", "10", "20", "30", "40"]),
        (950, ["0", "500", "1k"]),
        (949_472, ["0", "500k", "1M"]),
    ],
)
def test_an_axis_has_few_round_numbers_from_zero(most: int, labels: list[str]) -> None:
    chart = bars("New people", "People", days(3), [0, most, 0], by_day=True)

    assert [label for _, label in chart.grid] == labels
    assert chart.bars.count("M") == (1 if most else 0)


def test_a_chart_says_what_it_shows_and_lists_the_same_numbers() -> None:
    chart = bars("New people", "People", days(4), [3, 1_200, 0, 7], by_day=True)

    assert chart.summary == "1,210 in total. Busiest day: 31 Oct (1,200)."
    assert chart.rows == [("30 Oct", "3"), ("31 Oct", "1,200"), ("1 Nov", "0"), ("2 Nov", "7")]
    assert [label for *_, label in chart.dates] == ["30 Oct", "1 Nov", "2 Nov"]
    assert bars("New people", "People", MONTHS, [0] * 12, by_day=False).summary == "None in this period."


@pytest.mark.parametrize(
    ("values", "summary", "lowest"),
    [
        ([5, 9, 12], "12 now, 7 more than at the end of Jan 2026.", "0"),
        ([1_000, 1_010, 990], "990 now, 10 fewer than at the end of Jan 2026.", "990"),
        ([4, 4, 4], "4 now, as many as at the end of Jan 2026.", "4"),
        ([0, 0, 0], "0 now, as many as at the end of Jan 2026.", "0"),
    ],
)
def test_a_line_begins_at_zero_unless_all_numbers_are_far_above(values: list[int], summary: str, lowest: str) -> None:
    chart = line("All people", "People", MONTHS[:3], values, by_day=False)

    assert (chart.summary, chart.grid[0][1]) == (summary, lowest)
    assert chart.by == "Month"
    assert all(0 <= float(y) <= 150 for point in chart.line.split() for y in point.split(",")[1:])


def test_numbers_on_an_axis_are_short() -> None:
    assert [short(one) for one in (0, 999, 1_000, 2_500, 949_500, 1_200_000)] == [
        "0", "999", "1k", "2.5k", "949.5k", "1.2M",
    ]  # fmt: skip
