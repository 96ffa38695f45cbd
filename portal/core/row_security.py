"""Row-level security: its roles, the expressions its policies use, and the columns nobody may read.

The transaction of an ADMIN or USER runs as TENANT_ROLE (see core/db.py), which has no login, owns nothing and may do
only what portal/sql grants. The tables' owner passes: SUPER_ADMINs, sign-in, workers and the command line act as that.
Policies are enabled, not forced: forced ones would bind a plain owner, but not a superuser. They catch forgotten
filters; they don't stop injected SQL, which could reset the role.
"""

from __future__ import annotations

TENANT_ROLE = "portal_tenant"

# The role of the data browser: it is granted all rows, and no secrets (data_browser/reading).
READER_ROLE = "portal_reader"
TOKEN = "The digest of a token that signs somebody in."  # noqa: S105
LINK = "Emails can contain links that sign somebody in."
SALT = "With it, erased values could be guessed."
SECRETS = {
    "users": {
        "password": "A password hash can be attacked offline.",
        "link_counter": "Part of the signature of mailed links.",
    },
    "sessions": {"token": TOKEN},
    "refresh_tokens": {"token": TOKEN},
    "api_tokens": {"token": TOKEN},
    "authenticators": {"secret": "The secret that generates the codes of an authenticator app."},
    "recovery_codes": {"code": "The digest of a recovery code."},
    "idempotency_keys": {
        "key": "The digest of a key that a program chose.",
        "fingerprint": "The digest of a program's request.",
        "answer": "Responses to programs can contain tokens.",
    },
    "outbox_emails": {"content": LINK, "link": LINK},
    "rate_limits": {"key": "The digest of an email address or a person."},
    "activity_leaves": dict.fromkeys(("salt", "values_hash", "operation_salt", "operation_hash"), SALT),
}

# Read once per statement. After the transaction that set it, a setting is '' instead of NULL.
OWN_TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"
