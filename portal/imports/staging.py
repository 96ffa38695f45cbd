"""Statements for many rows of an import at once.

Scoping can't read them, so they name the rows of one import, whose verdicts were decided under the actor's rules, and
row-level security applies inside tenants. Deleted people are excluded by name.
"""

from __future__ import annotations

from sqlalchemy import text

STORE = text("""
INSERT INTO import_rows (import_id, organization_id, number, line, cells)
SELECT :id, CAST(:tenant AS uuid), number, line, CAST(cells AS jsonb)
FROM unnest(CAST(:numbers AS int[]), CAST(:lines AS int[]), CAST(:cells AS text[])) AS v (number, line, cells)
""")
KEYS = text("""
UPDATE import_rows r SET person_id = v.id
FROM unnest(CAST(:numbers AS int[]), CAST(:ids AS uuid[])) AS v (number, id)
WHERE r.import_id = :import_id AND r.number = v.number
""")
CREATE = text("""
INSERT INTO users (id, email, first_name, last_name, role, is_active, organization_id, invited_at)
SELECT person_id, email, first_name, last_name, role, is_active, home_id, :at FROM import_rows
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create'
ORDER BY number
ON CONFLICT DO NOTHING RETURNING id
""")
CREATED = text("""
UPDATE import_rows SET version = CASE WHEN person_id = ANY (:ids) THEN 1 END,
    verdict = CASE WHEN person_id = ANY (:ids) THEN verdict ELSE 'refused' END,
    reason = CASE WHEN person_id = ANY (:ids) THEN NULL ELSE 'Email: somebody has just been given this address.' END
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create'
""")
LOCK = text("""
SELECT id FROM users WHERE id IN (SELECT person_id FROM import_rows
    WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'update')
ORDER BY id FOR UPDATE
""")
KEEP = text("""
UPDATE import_rows r SET before = (
    SELECT jsonb_build_object('first_name', u.first_name, 'last_name', u.last_name) FROM users u
    WHERE u.id = r.person_id)
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'update'
""")
UPDATE = text("""
UPDATE users u SET first_name = coalesce(r.first_name, u.first_name), last_name = coalesce(r.last_name, u.last_name)
FROM import_rows r
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'update' AND u.id = r.person_id
RETURNING u.id, u.version
""")
UPDATED = text("""
UPDATE import_rows r SET version = v.version
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[])) AS v (id, version)
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'update' AND r.person_id = v.id
""")
INVITE = text("""
SELECT count(portal_send_later('invitation', person_id)) FROM import_rows
WHERE import_id = :import_id AND number BETWEEN :first AND :last AND verdict = 'create' AND is_active
""")
DELETE = text("""
UPDATE users u SET deleted_at = :at FROM import_rows r
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'create'
    AND u.id = r.person_id AND u.version = r.version AND u.deleted_at IS NULL
RETURNING u.id
""")
RESTORE = text("""
UPDATE users u SET first_name = r.before ->> 'first_name', last_name = r.before ->> 'last_name' FROM import_rows r
WHERE r.import_id = :import_id AND r.number BETWEEN :first AND :last AND r.verdict = 'update'
    AND u.id = r.person_id AND u.version = r.version AND u.deleted_at IS NULL
RETURNING u.id
""")
COLUMNS = ("number", "email", "first_name", "last_name", "role", "is_active", "home_id", "fault")
MEANING = text("""
UPDATE import_rows r SET email = v.email, first_name = v.first_name, last_name = v.last_name, role = v.role,
    is_active = v.is_active, home_id = v.home_id, fault = v.fault
FROM unnest(CAST(:number AS int[]), CAST(:email AS text[]), CAST(:first_name AS text[]), CAST(:last_name AS text[]),
    CAST(:role AS "Role"[]), CAST(:is_active AS bool[]), CAST(:home_id AS uuid[]), CAST(:fault AS text[]))
    AS v (number, email, first_name, last_name, role, is_active, home_id, fault)
WHERE r.import_id = :import_id AND r.number = v.number
""")
