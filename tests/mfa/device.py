"""A software authenticator with a passkey, which answers as a browser would."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40


class Device:
    """One passkey (ES256). `counts` is its signature counter; 0 means that it doesn't count, as for synced passkeys."""

    def __init__(self, site: str = "localhost", origin: str = "http://localhost", *, counts: int = 0) -> None:
        self.site, self.origin, self.counts = site, origin, counts
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)

    def make(self, challenge: str) -> str:
        """The response to `navigator.credentials.create`."""
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        kept = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(public)
        attested = {"fmt": "none", "attStmt": {}, "authData": self._data(PRESENT | VERIFIED | HAS_KEY) + kept}
        client = self._client("webauthn.create", challenge)
        return self._sent({"clientDataJSON": client, "attestationObject": cbor2.dumps(attested)})

    def answer(self, challenge: str, *, is_verified: bool = True) -> str:
        """The response to `navigator.credentials.get`."""
        self.counts += bool(self.counts)
        client = self._client("webauthn.get", challenge)
        data = self._data(PRESENT | (VERIFIED if is_verified else 0))
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._sent({"clientDataJSON": client, "authenticatorData": data, "signature": signed})

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.site.encode()).digest() + struct.pack(">BI", flags, self.counts)

    def _sent(self, response: dict[str, Any]) -> str:
        name = bytes_to_base64url(self.id)
        answer = {key: bytes_to_base64url(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": answer})
