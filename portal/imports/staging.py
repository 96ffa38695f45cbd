"""Statements for many rows of an import at once.

Scoping can't read them, so they name the rows of one import, whose verdicts were decided under the actor's rules, and
row-level security applies inside tenants. Deleted people are excluded by name.
"""

from __future__ import annotations

from sqlalchemy import text

COLUMNS = ("number", "line", "text", "key", "first_name", "last_name", "role", "is_active", "activates_on",
           "expires_on", "home_id", "verdict", "reason", "row_id", "values")  # fmt: skip
STORE = text("""
INSERT INTO import_rows (import_id, organization_id, number, line, text, key, first_name, last_name, role, is_active,
    activates_on, expires_on, home_id, verdict, reason, row_id, values)
SELECT :import_id, CAST(:tenant AS uuid), *
FROM unnest(CAST(:number AS int[]), CAST(:line AS int[]), CAST(:text AS text[]), CAST(:key AS text[]),
    CAST(:first_name AS text[]), CAST(:last_name AS text[]), CAST(:role AS "Role"[]), CAST(:is_active AS bool[]),
    CAST(:activates_on AS date[]), CAST(:expires_on AS date[]),
    CAST(:home_id AS uuid[]), CAST(:verdict AS text[]), CAST(:reason AS text[]),
    CAST(:row_id AS uuid[]), CAST(:values AS jsonb[]))
""")
CREATE = text("""
WITH created AS (
    INSERT INTO users (id, email, first_name, last_name, role, is_active, activates_on, expires_on, organization_id,
        invited_at)
    SELECT row_id, key, first_name, last_name, coalesce(role, CAST(:role AS "Role")),
        coalesce(is_active, true) AND activates_on IS NULL, activates_on, expires_on, home_id, :at
    FROM import_rows WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create'
    ORDER BY number
    ON CONFLICT DO NOTHING RETURNING id),
refused AS (
    UPDATE import_rows SET verdict = 'refused', reason = :taken, row_id = NULL
    WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create'
        AND row_id NOT IN (SELECT id FROM created))
SELECT count(*) FROM created
""")
REFUSE = text("""
UPDATE import_rows r SET verdict = 'refused', reason = v.reason, row_id = NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS v (id, reason)
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'update' AND r.row_id = v.id
""")
KEEP = text("""
UPDATE import_rows r SET before = (
    SELECT jsonb_build_object('first_name', first_name, 'last_name', last_name, 'role', role, 'is_active', is_active,
        'activates_on', activates_on, 'expires_on', expires_on)
    FROM users u WHERE u.id = r.row_id)
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'update'
""")
UPDATED = text("""
UPDATE import_rows r SET version = (SELECT version FROM users u WHERE u.id = r.row_id)
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'update'
""")
INVITE = text("""
SELECT count(portal_send_later('invitation', row_id)) FROM import_rows
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create' AND is_active IS NOT FALSE
    AND activates_on IS NULL
""")
DELETE = text("""
UPDATE users u SET deleted_at = :at FROM import_rows r
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'create'
    AND u.id = r.row_id AND u.version = 1 AND u.deleted_at IS NULL
RETURNING u.id
""")
