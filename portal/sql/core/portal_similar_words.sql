-- Words of a table's rows that the tenant has and that resemble a word, the most similar first. It runs as the owner,
-- because the words of everybody are looked up first. Words of other tenants change nothing in the result.
CREATE OR REPLACE FUNCTION portal_similar_words(place text, term text) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER ROWS 20
BEGIN ATOMIC
    SELECT set_config('pg_trgm.similarity_threshold', '0.25', true); -- only superusers could set it for the function
    SELECT w.word FROM search_words w
    WHERE w.table_name = place AND w.organization_id = '00000000-0000-0000-0000-000000000000' AND w.word % term
        AND (
            current_setting('role') <> 'portal_tenant'
                AND coalesce(nullif(current_setting('portal.actor_role', true), ''), 'SYSTEM')
                    IN ('SYSTEM', 'SUPER_ADMIN')
            OR current_setting('portal.actor_role', true) = 'ADMIN' AND EXISTS (
                SELECT FROM search_words o WHERE o.table_name = place AND o.word = w.word
                AND o.organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid))
    GROUP BY w.word
    ORDER BY similarity(w.word, term) DESC, w.word LIMIT 20;
END;
REVOKE ALL ON FUNCTION portal_similar_words FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_similar_words TO portal_tenant;
