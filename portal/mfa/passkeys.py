"""Create passkey options for browsers, and verify their responses."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from portal.mfa.models import Passkey
from portal.web.brand import product

TIMEOUT = 120_000  # milliseconds, enough to fetch a security key


@dataclass(frozen=True)
class Site:
    """The relying party: the host name for which passkeys are created, and the only origin at which they work."""

    id: str
    origin: str


@dataclass(frozen=True)
class Answer:
    """The browser's response, as JSON, with its challenge and site."""

    credential: str
    challenge: bytes
    site: Site


@dataclass(frozen=True)
class NewPasskey:
    credential_id: bytes
    public_key: bytes
    sign_count: int


def creation_options(site: Site, challenge: bytes, owner: uuid.UUID, email: str, known: Iterable[Passkey]) -> str:
    """The options for `navigator.credentials.create`, as JSON. The device stores the person's id and email."""
    webauthn = _library()
    structs = webauthn.helpers.structs
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name=product(),
        user_id=owner.bytes,
        user_name=email,
        challenge=challenge,
        timeout=TIMEOUT,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one.credential_id) for one in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
    )
    return str(webauthn.options_to_json(options))


def request_options(site: Site, challenge: bytes, known: Iterable[Passkey] = (), *, alone: bool = False) -> str:
    """The options for `navigator.credentials.get`, as JSON (Web Authentication Level 3, section 5.5).

    Without a password (`alone`), the device must verify its user.
    """
    options = {
        "challenge": encoded(challenge),
        "timeout": TIMEOUT,
        "rpId": site.id,
        "allowCredentials": [{"type": "public-key", "id": encoded(one.credential_id)} for one in known],
        "userVerification": "required" if alone else "preferred",
    }
    return json.dumps(options)


def made(answer: Answer) -> NewPasskey | None:
    """The new passkey. None if the response is invalid, or for another challenge or site."""
    webauthn = _library()
    try:
        found = webauthn.verify_registration_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=answer.site.id,
            expected_origin=answer.site.origin,
        )
    except Exception:  # parsers of JSON, CBOR and keys raise many kinds of errors for invalid bytes
        return None
    return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)


def counted(answer: Answer, passkey: Passkey, *, alone: bool) -> int | None:
    """The passkey's counter after this response. None if the response is invalid, old, or for another challenge."""
    webauthn = _library()
    try:
        found = webauthn.verify_authentication_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=answer.site.id,
            expected_origin=answer.site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=alone,
        )
    except Exception:  # as above
        return None
    return int(found.new_sign_count)


def credential_in(credential: str) -> bytes | None:
    """The id of the passkey, as sent by the browser and not verified yet."""
    try:
        return decoded(json.loads(credential)["id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _library() -> Any:
    """It takes 7 MiB of a process, so only processes that add or check a passkey load it."""
    return import_module("webauthn")


def encoded(raw: bytes) -> str:
    """Bytes as base64url without padding, as browsers send them."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
