"""Rate-limit counters for each kind of attempt, and the response to too many.

A wrong password counts for the account and the client's network. Devices on which the account signed in recently have
their own counter instead, so that strangers can't lock anybody out (device cookies, as in OWASP's "Slow Down Online
Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid

from flask import Response, after_this_request
from itsdangerous import BadData, URLSafeTimedSerializer

from portal.core.actor import current_origin
from portal.core.counts import number_of
from portal.core.errors import RateLimited
from portal.core.rate_limit import Bound, Counter
from portal.web import cookies
from portal.web.client_address import network_of
from portal.web.forms import Form
from portal.web.given import current_settings

MINUTE, FIVE_MINUTES, HOUR = 60, 300, 3600
STRENGTHS_PER_MINUTE = 240
REMEMBERED_SECONDS = 90 * 86_400
ACCOUNTS = 5  # per device
TWO_FACTOR_ATTEMPTS = 10  # per hour: three of a million codes are valid at a time


def at_sign_in(email: str) -> tuple[Counter, ...]:
    """Counters for a password attempt on this account, whether it exists or not."""
    device, accounts = _device()
    if {_pseudonym(email, key) for key in _secrets()} & set(accounts):
        return (_counter("device", f"{device} {email}", current_settings().guesses_per_account),)
    return (
        of_network(),
        of_account(email),
    )


def of_account(email: str) -> Counter:
    """The counter for attempts from unknown devices."""
    return _counter("account", email.lower(), current_settings().guesses_per_account)


def blocking_sign_in(email: str, user_id: uuid.UUID) -> tuple[Counter, Counter]:
    """The counters that, once full, prevent a person from signing in on a new device."""
    return of_account(email), _of_two_factor(user_id)


def of_own_password(user_id: uuid.UUID) -> Counter:
    """The counter for the current password on account pages, separate from that of the sign-in page."""
    return _counter("own password", str(user_id), current_settings().guesses_per_account)


def at_refresh() -> Counter:
    """The counter for refresh tokens from one network: they can't be guessed, but checking them costs time."""
    most = current_settings().refreshes_per_network
    return _counter("refresh", _network(), most, is_shared=True)


def at_two_factor(email: str, user_id: uuid.UUID) -> Counter:
    """The counter for a code or passkey after the correct password."""
    device, accounts = _device()
    if {_pseudonym(email, key) for key in _secrets()} & set(accounts):
        return _counter("two-factor", f"{device} {user_id}", TWO_FACTOR_ATTEMPTS, seconds=HOUR)
    return _of_two_factor(user_id)


def _of_two_factor(user_id: uuid.UUID) -> Counter:
    return _counter("two-factor", str(user_id), TWO_FACTOR_ATTEMPTS, seconds=HOUR)


def of_network() -> Counter:
    """The counter for attempts that name no account."""
    return _counter("network", _network(), current_settings().guesses_per_network, is_shared=True)


def once(kind: str, what: str, *, seconds: float) -> Counter:
    """A counter that allows a single attempt across all processes, for values that may be used once."""
    return _counter(kind, what, 1, seconds=seconds)


def of_foreign_addresses(user_id: uuid.UUID, organization_id: uuid.UUID | None) -> tuple[Counter, ...]:
    """Counters for administrators' requests for addresses that are in use elsewhere.

    An organization's administrators share one, so that adding administrators doesn't raise the limit.
    """
    most = current_settings().foreign_addresses_per_hour
    return tuple(
        _counter("foreign addresses", str(one), most, seconds=HOUR, is_shared=True)
        for one in (user_id, organization_id)
        if one is not None
    )


def at_forgotten(email: str) -> tuple[Counter, ...]:
    """Counters for requesting a password reset link, whether anybody has the address or not."""
    network = _network()
    return (
        _counter("forgotten by network", network, current_settings().guesses_per_network, is_shared=True),
        _counter("forgotten by", email.lower(), current_settings().emails_per_hour, seconds=HOUR),
    )


def of_emails_to(user_id: uuid.UUID) -> Counter:
    """The counter for emails with links to one person."""
    return _counter("emails to", str(user_id), current_settings().emails_per_hour, seconds=HOUR)


def of_strength() -> Counter:
    """The counter for password strength checks: more than anybody can type, but too few to keep the processor busy."""
    network = _network()
    return _counter("strength", network, STRENGTHS_PER_MINUTE, seconds=MINUTE, is_shared=True)


def remember_device(email: str) -> None:
    """Remember in a cookie, under a pseudonym, that this account signed in on this device."""
    device, accounts = _device()
    own = _pseudonym(email, current_settings().secret_key)
    value = str(_signer().dumps([device, *[own, *(one for one in accounts if one != own)][:ACCOUNTS]]))

    @after_this_request
    def keep(response: Response) -> Response:
        cookies.keep(response, "device", value, seconds=REMEMBERED_SECONDS)
        return response


def refuse(form: Form, rate_limited: RateLimited) -> None:
    """Add an error to the form that says when to try again, and respond 429 with Retry-After."""
    seconds = rate_limited.seconds
    minutes = number_of(-(-seconds // 60), "minute") if seconds > 90 else number_of(seconds, "second")
    form.form_errors.append(f"Too many attempts. Try again in {minutes}.")

    @after_this_request
    def set_retry_after(response: Response) -> Response:
        response.status_code = 429
        response.headers["Retry-After"] = str(seconds)
        return response


def _device() -> tuple[str, list[str]]:
    """The device's id and the accounts that signed in there; a new one if the cookie is invalid or too old."""
    try:
        device, *accounts = _signer().loads(cookies.read("device"), max_age=REMEMBERED_SECONDS)
    except (BadData, ValueError, TypeError):
        return secrets.token_urlsafe(16), []
    return str(device), [str(one) for one in accounts]


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_secrets()[::-1], salt="device")


def _secrets() -> list[str]:
    return [current_settings().secret_key, *current_settings().secret_key_fallbacks]


def _pseudonym(email: str, key: str) -> str:
    return _digest("device of", email.lower(), key).hex()[:32]


def _counter(kind: str, what: str, most: int, *, seconds: float = FIVE_MINUTES, is_shared: bool = False) -> Counter:
    return Counter(_digest(kind, what, current_settings().secret_key), Bound(most, seconds), is_shared)


def _digest(kind: str, what: str, key: str) -> bytes:
    return hmac.digest(key.encode(), f"{kind}\0{what}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def _network() -> str:
    return network_of(current_origin().address)
