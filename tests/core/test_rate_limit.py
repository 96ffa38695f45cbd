"""Rate limits hold in any period, under concurrency and whatever the clock does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, literal, select, text, update

from portal.core import rate_limit
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import RateLimited
from portal.core.rate_limit import Bound, Counter, RateLimit
from tests.acting import acting, run_concurrently

TEN = Bound(10, 300)
ONE = Counter(b"one", TEN)
OTHER = Counter(b"other", TEN)
SHARED = Counter(b"shared", TEN, is_shared=True)


def attempted(*counters: Counter) -> bool:
    """Whether an attempt was allowed."""
    try:
        rate_limit.attempt(*counters)
    except RateLimited:
        return False
    return True


def attempts_until_refused(counter: Counter) -> int:
    """Attempt until refused, and return the number of attempts."""
    return next((number for number in range(counter.bound.most + 1) if not attempted(counter)), counter.bound.most + 1)


@command
def advance_clock(time: timedelta) -> None:
    """Let time pass for all counters; a negative time sets the clock back."""
    db.session.execute(update(RateLimit).values(free_at=RateLimit.free_at - time))


def rows() -> int:
    return db.session.scalar(select(func.count(RateLimit.key))) or 0


@pytest.mark.parametrize("bound", [TEN, Bound(100, 300), Bound(20, 3600), Bound(7, 60), Bound(2, 10)])
def test_au6_constant_attempts_never_exceed_the_limit_in_any_period(
    app: Flask, bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr(rate_limit, "_now", lambda: literal(at))
    step, counter, allowed = timedelta(seconds=bound.seconds / 40), Counter(b"eager", bound), list[int]()
    with acting(app):
        for moment in range(120):
            allowed += [moment] * attempts_until_refused(counter)
            advance_clock(step)

    in_stretches = [sum(begin <= one < begin + 40 for one in allowed) for begin in range(80)]
    assert max(in_stretches) <= bound.most
    assert len(allowed) >= bound.most * 1.5


def test_half_of_the_attempts_can_come_at_once_and_the_next_after_a_while(app: Flask) -> None:
    with acting(app):
        assert attempts_until_refused(ONE) == 5
        assert 0 < rate_limit.wait(ONE) <= 60

        advance_clock(timedelta(seconds=60))

        assert rate_limit.wait(ONE) == 0
        assert attempts_until_refused(ONE) == 1


def test_a_refusal_says_how_long_to_wait(app: Flask) -> None:
    with acting(app):
        attempts_until_refused(ONE)
        with pytest.raises(RateLimited) as refused:
            rate_limit.attempt(ONE)

    assert 0 < refused.value.seconds <= 60


def test_an_attempt_refused_by_one_counter_is_not_counted_in_others(app: Flask) -> None:
    with acting(app):
        attempts_until_refused(ONE)
        for _ in range(20):
            assert not attempted(SHARED, ONE)

        assert attempts_until_refused(SHARED) == 5
        assert attempts_until_refused(OTHER) == 5


def test_forgive_empties_a_private_counter_and_takes_one_attempt_off_a_shared_one(app: Flask) -> None:
    with acting(app):
        attempts_until_refused(ONE)
        attempts_until_refused(SHARED)

        rate_limit.forgive([ONE, SHARED])

        assert (attempts_until_refused(ONE), attempts_until_refused(SHARED)) == (5, 1)


def test_au6_concurrent_attempts_cannot_exceed_the_limit(fresh_app: Flask) -> None:
    outcomes = run_concurrently(fresh_app, [lambda: attempted(SHARED, ONE)] * 40)

    assert outcomes.count(True) == 5
    assert outcomes.count(False) == 35


def test_concurrent_attempts_and_the_removal_of_old_counters_do_not_deadlock(fresh_app: Flask) -> None:
    counters = [Counter(bytes([number]), Bound(1_000, 0.001)) for number in range(4)]
    works = [
        lambda place=place: [attempted(counters[0], counters[place % 4]) for _ in range(20)] for place in range(1, 9)
    ]

    outcomes = run_concurrently(fresh_app, works)

    assert [one for one in outcomes if isinstance(one, Exception)] == []


def test_expired_counters_are_removed_by_later_attempts(app: Flask) -> None:
    with acting(app):
        for number in range(50):
            attempted(Counter(bytes([number]), TEN))
        assert rows() == 50

        advance_clock(timedelta(seconds=61))
        attempted(ONE)

        assert rows() == 1


def test_re15_setting_the_clock_back_neither_extends_nor_lifts_a_limit(app: Flask) -> None:
    with acting(app):
        attempts_until_refused(ONE)
        advance_clock(timedelta(days=-1))

        assert attempts_until_refused(ONE) == 1
        assert rate_limit.wait(ONE) <= 60


def test_re15_the_time_zone_does_not_matter(app: Flask) -> None:
    with acting(app):
        attempts_until_refused(ONE)
        db.session.execute(text("SET LOCAL timezone = 'Pacific/Kiritimati'"))

        assert 0 < rate_limit.wait(ONE) <= 60
