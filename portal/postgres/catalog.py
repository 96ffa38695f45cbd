"""Read a database's schema in a form that can be compared, without login names and internal ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from portal.postgres import extensions

# Each query returns the table or function that an object belongs to, its name and its definition. NOT NULL is part
# of the column: PostgreSQL 18 also stores it as a constraint. Grants to roles other than PUBLIC and the portal's two
# are up to the operator.
QUERIES = {
    "column": """
        SELECT c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'NOT NULL' END, nullif(a.attgenerated::text, ''),
            nullif(a.attidentity::text, ''), pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0
            AND NOT a.attisdropped""",
    "index": """
        SELECT i.tablename, i.indexname, i.indexdef || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_indexes i JOIN pg_index x ON x.indexrelid = format('%I.%I', i.schemaname, i.indexname)::regclass
        WHERE i.schemaname = 'public'""",
    "constraint": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'""",
    "trigger": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid) || ' ' || tgenabled::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace""",
    "policy": """
        SELECT polrelid::regclass::text, polname, concat_ws(' ', polcmd::text, polpermissive,
            (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE oid = ANY (polroles)),
            'USING', pg_get_expr(polqual, polrelid), 'CHECK', pg_get_expr(polwithcheck, polrelid))
        FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid WHERE relnamespace = 'public'::regnamespace""",
    "row security": """
        SELECT relname, relname,
            concat_ws(' ', relkind::text, relpersistence::text, relrowsecurity, relforcerowsecurity)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')""",
    "function": """
        SELECT p.oid::regprocedure::text, p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
        LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p') AND d.objid IS NULL""",
    "enumeration": """
        SELECT t.typname, t.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder)
        FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
        WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname""",
    "extension": "SELECT extname, extname, '' FROM pg_extension",
    "grant": """
        SELECT c.relname, grantee::regrole::text, string_agg(privilege_type, ' ' ORDER BY privilege_type)
        FROM pg_class c, aclexplode(c.relacl) WHERE relnamespace = 'public'::regnamespace AND grantee = ANY (:grantees)
        GROUP BY 1, grantee""",
    "grant on a column": """
        SELECT c.relname, a.attname || ' to ' || grantee::regrole::text,
            string_agg(privilege_type, ' ' ORDER BY privilege_type)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl)
        WHERE relnamespace = 'public'::regnamespace AND grantee = ANY (:grantees) GROUP BY 1, attname, grantee""",
    "grant on a function": """
        SELECT p.oid::regprocedure::text, grantee::regrole::text, privilege_type
        FROM pg_proc p LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e',
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
        WHERE p.pronamespace = 'public'::regnamespace AND grantee = ANY (:grantees) AND d.objid IS NULL""",
}  # fmt: skip
GRANTEES = "ARRAY(SELECT 0::oid UNION ALL SELECT oid FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_reader'))"

RESTORED = " AS unknown"  # dumps add this to untyped NULLs, without effect

Catalog = dict[tuple[str, str, str], str]


@dataclass(frozen=True)
class Difference:
    """A difference; `how` is missing, changed or added."""

    how: str
    kind: str
    about: str
    name: str

    def __str__(self) -> str:
        of = f" of {self.about}" if self.about not in (self.name, "") else ""
        return f"{self.kind} {self.name}{of} is {self.how}"


def read(connection: Connection) -> Catalog:
    """Every object of the schema `public`, by kind, the object it belongs to, and name, with its definition."""
    extensions.find(connection)  # so that their names are rendered the same in any schema
    rows = ((kind, row) for kind, query in QUERIES.items() for row in _rows(connection, query))
    return {
        (kind, str(about), str(name)): str(definition).replace(RESTORED, "") for kind, (about, name, definition) in rows
    }


def _rows(connection: Connection, query: str) -> Iterator[Any]:
    return iter(connection.exec_driver_sql(query.replace("%", "%%").replace(":grantees", GRANTEES)).all())


def differences(expected: Catalog, found: Catalog) -> list[Difference]:
    """The differences between two catalogs, without objects of other programs."""
    ours = {about for _, about, _ in expected}
    added = {key for key in found.keys() - expected.keys() if key[1] in ours or key[1].startswith("portal_")}
    odd = [("missing", key) for key in expected.keys() - found.keys()]
    odd += [("changed", key) for key in expected.keys() & found.keys() if expected[key] != found[key]]
    odd += [("added", key) for key in added]
    return sorted((Difference(how, *key) for how, key in odd), key=str)
