"""Do counters allow what their bound says in any stretch of time, whoever tries at once, whatever the clock does?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from portal.core import rate_limit
from portal.core.db import command, db
from portal.core.errors import RateLimited
from portal.core.rate_limit import Bound, Counter, RateLimit
from tests.acting import acting, at_once

TEN = Bound(10, 300)
ONE = Counter(b"one", TEN)
OTHER = Counter(b"other", TEN)
SHARED = Counter(b"shared", TEN, is_shared=True)


def tried(*counters: Counter) -> bool:
    """Whether a try was allowed."""
    try:
        rate_limit.attempt(*counters)
    except RateLimited:
        return False
    return True


def used_up(counter: Counter) -> int:
    """Try until there is no room; returns how many tries there were."""
    return next((number for number in range(counter.bound.most + 1) if not tried(counter)), counter.bound.most + 1)


@command
def pass_by(time: timedelta) -> None:
    """Let time pass for all counters; backwards, as a clock that is set."""
    db.session.execute(update(RateLimit).values(free_at=RateLimit.free_at - time))


def rows() -> int:
    return db.session.scalar(select(func.count(RateLimit.key))) or 0


@pytest.mark.parametrize("bound", [TEN, Bound(100, 300), Bound(20, 3600), Bound(7, 60), Bound(2, 10)])
def test_au6_constant_attempts_never_exceed_the_limit_in_any_period(app: Flask, bound: Bound) -> None:
    step, counter, allowed = timedelta(seconds=bound.seconds / 40), Counter(b"eager", bound), list[int]()
    with acting(app):
        for moment in range(120):
            allowed += [moment] * used_up(counter)
            pass_by(step)

    in_stretches = [sum(begin <= one < begin + 40 for one in allowed) for begin in range(80)]
    assert max(in_stretches) <= bound.most
    assert len(allowed) >= bound.most * 1.5


def test_half_of_the_tries_may_come_at_once_and_the_next_after_a_while(app: Flask) -> None:
    with acting(app):
        assert used_up(ONE) == 5
        assert 0 < rate_limit.wait(ONE) <= 60

        pass_by(timedelta(seconds=60))

        assert rate_limit.wait(ONE) == 0
        assert used_up(ONE) == 1


def test_a_refusal_says_how_long_to_wait(app: Flask) -> None:
    with acting(app):
        used_up(ONE)
        with pytest.raises(RateLimited) as refused:
            rate_limit.attempt(ONE)

    assert 50 < refused.value.seconds <= 60


def test_what_one_counter_refuses_is_counted_in_no_other(app: Flask) -> None:
    with acting(app):
        used_up(ONE)
        for _ in range(20):
            assert not tried(SHARED, ONE)

        assert used_up(SHARED) == 5
        assert used_up(OTHER) == 5


def test_forgiving_empties_an_own_counter_and_takes_one_try_out_of_a_shared_one(app: Flask) -> None:
    with acting(app):
        used_up(ONE)
        used_up(SHARED)

        rate_limit.forgive([ONE, SHARED])

        assert (used_up(ONE), used_up(SHARED)) == (5, 1)


def test_au6_of_many_tries_at_once_no_more_get_through_than_may(fresh_app: Flask) -> None:
    outcomes = at_once(fresh_app, [lambda: tried(SHARED, ONE)] * 40)

    assert outcomes.count(True) == 5
    assert outcomes.count(False) == 35


def test_tries_at_once_in_many_counters_and_the_removal_of_old_ones_meet_in_no_deadlock(fresh_app: Flask) -> None:
    counters = [Counter(bytes([number]), Bound(1_000, 0.001)) for number in range(4)]
    works = [lambda place=place: [tried(counters[0], counters[place % 4]) for _ in range(20)] for place in range(1, 9)]

    outcomes = at_once(fresh_app, works)

    assert [one for one in outcomes if isinstance(one, Exception)] == []


def test_counters_that_say_nothing_any_more_are_removed_in_passing(app: Flask) -> None:
    with acting(app):
        for number in range(50):
            tried(Counter(bytes([number]), TEN))
        assert rows() == 50

        pass_by(timedelta(seconds=61))
        tried(ONE)

        assert rows() == 1


def test_re15_a_clock_that_was_set_back_neither_locks_out_until_then_nor_unlocks(app: Flask) -> None:
    with acting(app):
        used_up(ONE)
        pass_by(timedelta(days=-1))

        assert used_up(ONE) == 1
        assert rate_limit.wait(ONE) <= 60


def test_re15_a_time_zone_changes_nothing(app: Flask) -> None:
    with acting(app):
        used_up(ONE)
        db.session.execute(text("SET LOCAL timezone = 'Pacific/Kiritimati'"))

        assert 50 < rate_limit.wait(ONE) <= 60
