"""What makes a table stand behind the second wall: row-level security for everybody whom a tenant bounds?

The transaction of an ADMIN or USER runs as TENANT_ROLE (see core/db.py), which has no login, owns nothing and may do
only what is granted here. The tables' owner passes: SUPER_ADMINs, sign-in, workers and the command line act as that.
The wall stops forgotten filters; it does not stop injected SQL, which could reset the role.
"""

from __future__ import annotations

TENANT_ROLE = "portal_tenant"

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
