"""Row-level security: its roles, the expressions its policies use, and the columns nobody may read.

The transaction of an ADMIN or USER runs as TENANT_ROLE (see core/db.py), which has no login, owns nothing and may do
only what portal/sql grants. The tables' owner passes: SUPER_ADMINs, sign-in, workers and the command line act as that.
Policies are enabled, not forced: forced, a plain owner would be bound too, and a superuser not. They stop forgotten
filters; they don't stop injected SQL, which could reset the role.
"""

from __future__ import annotations

TENANT_ROLE = "portal_tenant"

# The data browser reads as this one: whatever it is granted is every row's, and never a secret (data_browser/reading).
READER_ROLE = "portal_reader"
TOKEN = "The token's digest: who signs in with it is known by it."  # noqa: S105
LINK = "The email's link opens whatever it opens."
SALT = "With it a value that was erased could be guessed."
SECRETS = {
    "users": {
        "password": "The password's hash could be guessed at.",
        "link_counter": "A part of what mailed links are signed over.",
    },
    "sessions": {"token": TOKEN},
    "refresh_tokens": {"token": TOKEN},
    "api_tokens": {"token": TOKEN},
    "authenticators": {"secret": "The secret of an authenticator app makes its codes."},
    "recovery_codes": {"code": "The digest of a code that replaces the second step."},
    "idempotency_keys": {
        "key": "A digest of what a program keeps for itself.",
        "fingerprint": "A digest of what a program sent.",
        "answer": "Answers of programs may hold tokens.",
    },
    "outbox_emails": {"content": LINK, "link": LINK},
    "rate_limits": {"key": "A digest of an address or a person."},
    "activity_leaves": dict.fromkeys(("salt", "values_hash", "operation_salt", "operation_hash"), SALT),
}

# Read once a statement. After a transaction that made it, a setting reads as '' instead of NULL.
OWN_TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"
