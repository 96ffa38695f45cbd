-- The seal on which the next one builds. One statement reads and verifies it, so nothing can change in between.
CREATE OR REPLACE FUNCTION portal_newest_seal(keys bytea[])
RETURNS TABLE (seal activity_seals, trouble text) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
WITH newest AS (
    SELECT s AS seal,
        (SELECT p.digest FROM activity_seals p WHERE p.id < s.id ORDER BY p.id DESC LIMIT 1) AS previous
    FROM activity_seals s ORDER BY s.id DESC LIMIT 1)
SELECT seal, coalesce(
    CASE WHEN (seal).id IS NOT NULL THEN portal_seal_trouble(keys, previous, seal) END,
    CASE WHEN EXISTS (SELECT FROM activity_leaves WHERE position > coalesce((seal).last, 0)) THEN 'seal missing' END)
FROM (VALUES (true)) AS always LEFT JOIN newest ON true
$$;
REVOKE ALL ON FUNCTION portal_newest_seal FROM PUBLIC;
