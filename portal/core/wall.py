"""What makes a table stand behind the second wall: row-level security for everybody whom a tenant bounds?

The transaction of an ADMIN or USER runs as TENANT_ROLE (see core/db.py), which has no login, owns nothing and may do
only what is granted here. The tables' owner passes: SUPER_ADMINs, sign-in, workers and the command line act as that.
The wall stops forgotten filters; it does not stop injected SQL, which could reset the role.
"""

from __future__ import annotations

from collections.abc import Iterable

TENANT_ROLE = "portal_tenant"

# The data browser reads as this one: whatever it is granted is every row's, and never a secret (see core/reading.py).
READER_ROLE = "portal_reader"
TOKEN = "The token's digest: who signs in with it is known by it."  # noqa: S105
LINK = "The letter's link opens whatever it opens."
SALT = "With it a value that was erased could be guessed."
SECRETS = {
    "users": {
        "password": "The password's hash could be guessed at.",
        "link_counter": "A part of what mailed links are signed over.",
    },
    "sign_ins": {"token": TOKEN},
    "refresh_tokens": {"token": TOKEN},
    "api_tokens": {"token": TOKEN},
    "authenticators": {"secret": "The secret of an authenticator app makes its codes."},
    "recovery_codes": {"code": "The digest of a code that replaces the second step."},
    "idempotency_keys": {
        "key": "A digest of what a program keeps for itself.",
        "fingerprint": "A digest of what a program sent.",
        "answer": "Answers of programs may hold tokens.",
    },
    "letters": {"content": LINK, "link": LINK},
    "throttles": {"key": "A digest of an address or a person."},
    "activity_leaves": {"salt": SALT, "values_hash": SALT},
}

# Read once a statement. After a transaction that made it, a setting reads as '' instead of NULL.
OWN_TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"


def raised(table: str, visible: str, *grants: str, writable: str | None = None) -> list[str]:
    """Statements that bound a table to the visible rows, and grant what is named: grant and policy together.

    What is written must be `writable`, unless said otherwise the same. Enabled, not forced: forced, a plain owner would
    be bound too, and a superuser not.
    """
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {TENANT_ROLE} USING ({visible})"
        + (f" WITH CHECK ({writable})" if writable else ""),
        *(f"GRANT {grant} ON {table} TO {TENANT_ROLE}" for grant in grants),
    ]


def taken_down(table: str) -> list[str]:
    return [
        f"DROP POLICY tenant ON {table}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {table} FROM {TENANT_ROLE}",
    ]


def opened(table: str, columns: Iterable[str]) -> list[str]:
    """Statements that let the data browser read these columns of all rows."""
    names = ", ".join(f'"{name}"' for name in columns)
    return [
        f"GRANT SELECT ({names}) ON {table} TO {READER_ROLE}",
        f"CREATE POLICY reader ON {table} FOR SELECT TO {READER_ROLE} USING (true)",
    ]


def shut(table: str) -> list[str]:
    return [f"DROP POLICY reader ON {table}", f"REVOKE ALL ON {table} FROM {READER_ROLE}"]
