"""Refuse queries that call functions with effects beyond their result, such as taking an advisory lock.

Only a superuser could revoke such functions, so they are searched by name in the statement's text. That is sufficient,
because functions that run text as a statement are refused as well, and so are Unicode escapes, which could disguise a
name. Names in comments and strings count, so that parsing differences can't allow a call.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from portal.postgres.extensions import EXTENSIONS

FIRST_OF_OTHERS = 16384  # PostgreSQL's own objects have lower OIDs
HARMLESS = (  # functions that PostgreSQL declares volatile, but which have no such effects
    r"^(bernoulli|system|random(_normal)?|clock_timestamp|timeofday|gen_random_uuid|uuidv[47]|current_query"
    r"|pg_sleep(_for|_until)?|pg_(database|indexes|relation|table|tablespace|total_relation)_size|pg_stat_get_\w+"
    r"|pg_current_wal\w+|pg_is_in_recovery|pg_blocking_pids|pg_lock_status|pg_partition_(tree|ancestors)|pg_xact_status"
    r"|pg_(database_)?collation_actual_version|pg_jit_available|pg_notification_queue_usage)$"
)
FOUND = """
SELECT p.proname FROM pg_catalog.pg_proc p
WHERE (p.proname = ANY (%(names)s::text[])
        OR p.proname !~ '^[a-z_][a-z0-9_]*$' AND strpos(%(statement)s, replace(p.proname, '"', '""')) > 0)
    AND NOT CASE WHEN p.oid < %(first_of_others)s THEN p.provolatile <> 'v' OR p.proname ~ %(harmless)s
        ELSE p.provolatile <> 'v' AND (starts_with(p.proname, 'portal_') OR EXISTS (
            SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.extname = ANY (%(extensions)s)))
        END
    AND has_function_privilege(p.oid, 'EXECUTE')
ORDER BY p.proname LIMIT 1
"""
CALLED = (re.compile(r'([^\W\d][\w$]*)"?\s*(?:\(|/\*|--)'), re.compile(r'([^\W\d]\w*)"?\s*(?:\(|/\*|--)'))
ESCAPED = re.compile(r'u&"', re.IGNORECASE)
CALL_REFUSED = "{}() can't be used here, because it can affect more than the query's own result."
ESCAPES_REFUSED = 'Names with Unicode escapes (U&"...") can\'t be used here. Write the name itself.'


class RefusedQueryError(Exception):
    """The statement calls, or could call, a function that isn't allowed here."""


def vet(connection: Connection, statement: str) -> None:
    """Raise RefusedQueryError unless every called function is allowed. Call it as the role that runs the statement."""
    if ESCAPED.search(statement):
        raise RefusedQueryError(ESCAPES_REFUSED)
    words = {word for pattern in CALLED for word in pattern.findall(statement)}
    parameters = {"first_of_others": FIRST_OF_OTHERS, "harmless": HARMLESS, "extensions": list(EXTENSIONS)}
    names = [*words, *(word.lower() for word in words)]
    name = connection.exec_driver_sql(FOUND, {**parameters, "names": names, "statement": statement}).scalar()
    if name is not None:
        raise RefusedQueryError(CALL_REFUSED.format(name))
