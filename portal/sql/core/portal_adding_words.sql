-- The statement that adds those words of rows that search_words lacks, for their tenants and for everybody. Nobody
-- waits for another transaction that adds the same word: it is then there twice. `rows` is a table, or rows of one.
CREATE OR REPLACE FUNCTION portal_adding_words(place name, rows text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format('WITH found AS MATERIALIZED ('
    'SELECT %s AS tenant, word COLLATE "C" AS word, (array_agg(r.id))[1] AS id'
    ' FROM %s r, public.portal_words(r.search_text) word GROUP BY 1, 2),'
    ' seen AS (SELECT tenant, word, id FROM found WHERE tenant IS NOT NULL UNION ALL SELECT'
    ' ''00000000-0000-0000-0000-000000000000'', word, (array_agg(id))[1] FROM found GROUP BY word)'
    ' INSERT INTO public.search_words (table_name, organization_id, word, row_id) SELECT %L, tenant, word, id FROM seen'
    ' WHERE NOT EXISTS (SELECT FROM public.search_words s'
    ' WHERE s.table_name = %3$L AND s.word = seen.word AND s.organization_id = seen.tenant)',
    CASE place
        WHEN 'users' THEN 'CASE WHEN r.role <> ''SUPER_ADMIN'' THEN r.organization_id END' -- tenants don't see them
        WHEN 'organizations' THEN 'r.id' ELSE 'r.organization_id' END,
    rows, place);
REVOKE ALL ON FUNCTION portal_adding_words FROM PUBLIC;
