"""Row-level security: its roles, expressions for its policies, and the columns that the data browser can't read.

Transactions of ADMINs and USERs run as TENANT_ROLE (see core/beginning.py), which can't log in, owns nothing and has
only the privileges granted in portal/sql. SUPER_ADMINs, sign-in, workers and the command line run as the tables' owner,
which the policies don't restrict.
Policies are enabled, not forced: forced ones would restrict a plain owner, but not a superuser. They catch forgotten
filters; they don't stop injected SQL, which could reset the role.
"""

from __future__ import annotations

TENANT_ROLE = "portal_tenant"

# The role of the data browser: it can read all rows, but no secrets (data_browser/reading).
READER_ROLE = "portal_reader"
TOKEN = "The digest of a token that signs somebody in."  # noqa: S105
LINK = "Emails can contain links that sign somebody in."
SALT = "It would allow erased values to be guessed."
SECRETS = {
    "users": {
        "password": "A password hash can be attacked offline.",
        "link_counter": "Part of the signature of emailed links.",
    },
    "sessions": {"token": TOKEN},
    "refresh_tokens": {"token": TOKEN},
    "api_tokens": {"token": TOKEN},
    "authenticators": {"secret": "The secret that generates the codes of an authenticator app."},
    "recovery_codes": {"code": "The digest of a recovery code."},
    "import_parts": {"content": "Uploaded files can contain passwords."},
    "idempotency_keys": {
        "key": "The digest of a key that a program chose.",
        "fingerprint": "The digest of a program's request.",
        "answer": "Responses to programs can contain tokens.",
    },
    "outbox_emails": {"content": LINK, "link": LINK},
    "rate_limits": {"key": "The digest of an email address or a person."},
    "activity_leaves": dict.fromkeys(
        ("salt", "values_hash", "operation_salt", "operation_hash", "origin_salt", "origin_hash"), SALT
    ),
}

# Evaluated once per statement. After the transaction that set it, a setting is '' instead of NULL.
OWN_TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"
