"""What does a browser ask a passkey, and was its answer the right one?"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import webauthn
from webauthn.helpers import structs

from portal.mfa.models import Passkey

NAME = "Portal"
TIMEOUT = 120_000  # milliseconds, for whoever has to look for the key first


@dataclass(frozen=True)
class Site:
    """For which name passkeys are made, and at which origin alone they may be used."""

    id: str
    origin: str


@dataclass(frozen=True)
class Answer:
    """What the browser sent, as JSON, and what it had been asked where."""

    credential: str
    challenge: bytes
    site: Site


@dataclass(frozen=True)
class NewPasskey:
    credential_id: bytes
    public_key: bytes
    sign_count: int


def creation_options(site: Site, challenge: bytes, owner: uuid.UUID, email: str, known: Iterable[Passkey]) -> str:
    """What `navigator.credentials.create` is told, as JSON. The device keeps the person's number and address."""
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name=NAME,
        user_id=owner.bytes,
        user_name=email,
        challenge=challenge,
        timeout=TIMEOUT,
        exclude_credentials=_described(known),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
    )
    return webauthn.options_to_json(options)


def request_options(site: Site, challenge: bytes, known: Iterable[Passkey] = (), *, alone: bool = False) -> str:
    """What `navigator.credentials.get` is told. `alone`: no password came before, so the device asks who is there."""
    wanted = structs.UserVerificationRequirement
    options = webauthn.generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        timeout=TIMEOUT,
        allow_credentials=_described(known),
        user_verification=wanted.REQUIRED if alone else wanted.PREFERRED,
    )
    return webauthn.options_to_json(options)


def made(answer: Answer) -> NewPasskey | None:
    """The new passkey; None where the answer was not to what was asked, or from elsewhere."""
    try:
        found = webauthn.verify_registration_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=answer.site.id,
            expected_origin=answer.site.origin,
        )
    except Exception:  # whatever a stranger's bytes make the parsers of JSON, CBOR and keys raise
        return None
    return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)


def counted(answer: Answer, passkey: Passkey, *, alone: bool) -> int | None:
    """The passkey's counter after this answer; None where the answer was not its, not to what was asked, or old."""
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
    return found.new_sign_count


def credential_in(credential: str) -> bytes | None:
    """Which passkey answered, as the browser says it: nothing is proved by that."""
    try:
        return webauthn.base64url_to_bytes(json.loads(credential)["id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _described(passkeys: Iterable[Passkey]) -> list[structs.PublicKeyCredentialDescriptor]:
    return [structs.PublicKeyCredentialDescriptor(id=one.credential_id) for one in passkeys]
