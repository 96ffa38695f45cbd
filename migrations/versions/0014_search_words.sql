-- Words for the suggestions of searches without a hit.

CREATE TABLE IF NOT EXISTS search_words (
    id bigint GENERATED ALWAYS AS IDENTITY,
    table_name text NOT NULL,
    organization_id uuid NOT NULL,
    word text COLLATE "C" NOT NULL,
    row_id uuid NOT NULL,
    CONSTRAINT search_words_pkey PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS search_words_word_idx ON search_words (table_name, word, organization_id);
CREATE INDEX IF NOT EXISTS search_words_row_id_idx ON search_words (row_id);
CREATE INDEX IF NOT EXISTS search_words_similar_idx ON search_words USING gin (word gin_trgm_ops)
WHERE organization_id = '00000000-0000-0000-0000-000000000000';

-- The words of a folded text for which misspelled ones can be exchanged: no numbers, no signs, nothing very short.
CREATE OR REPLACE FUNCTION portal_words(value text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6 AS $$
    SELECT word FROM string_to_table(replace(value, 'ᐖ', ''), ' ') word
    WHERE char_length(word) BETWEEN 3 AND 40 AND word !~ '[0-9]';
$$;

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

-- Keeps search_words, for forms, bulk statements, COPY and psql alike. Words go with the row that stands for them, so
-- that nothing remains of a removed person; if others have them too, portal_refresh_words adds them again. Plans made
-- for one row also run for a million, so changed rows are found without a join, and adding is planned each time.
CREATE OR REPLACE FUNCTION portal_keep_words() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changed uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE portal_adding_words(TG_TABLE_NAME, 'new_rows');
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        changed := ARRAY(SELECT id FROM old_rows);
    ELSIF TG_TABLE_NAME = 'organizations' THEN
        changed := ARRAY(SELECT id FROM (
            SELECT id, search_text FROM new_rows EXCEPT ALL SELECT id, search_text FROM old_rows) differing);
    ELSE
        changed := ARRAY(SELECT id FROM (
            SELECT id, search_text, organization_id FROM new_rows
            EXCEPT ALL SELECT id, search_text, organization_id FROM old_rows) differing);
    END IF;
    IF cardinality(changed) > 0 THEN
        DELETE FROM search_words WHERE row_id = ANY (changed);
        IF TG_OP = 'UPDATE' THEN
            EXECUTE portal_adding_words(TG_TABLE_NAME, '(SELECT * FROM new_rows WHERE id = ANY ($1))') USING changed;
        END IF;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_words FROM PUBLIC;

-- Adds the words that were removed with a row although others have them, and those of rows that were moved to another
-- tenant, or written while triggers were off. Removes what is there twice, and returns how many.
CREATE OR REPLACE FUNCTION portal_refresh_words() RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    place name;
    removed bigint;
BEGIN
    FOR place IN SELECT DISTINCT relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgfoid = 'public.portal_keep_words'::regproc ORDER BY 1 LOOP
        EXECUTE portal_adding_words(place, place::text);
    END LOOP;
    DELETE FROM search_words s USING (
        SELECT table_name, organization_id, word, min(id) AS id FROM search_words GROUP BY 1, 2, 3 HAVING count(*) > 1
    ) kept WHERE (s.table_name, s.organization_id, s.word) = (kept.table_name, kept.organization_id, kept.word)
        AND s.id > kept.id;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
REVOKE ALL ON FUNCTION portal_refresh_words FROM PUBLIC;

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

-- Policies and grants of search_words, which only triggers change. Tenants can't read it: see portal_similar_words.

DROP POLICY IF EXISTS reader ON search_words;
REVOKE ALL ON search_words FROM portal_tenant, portal_reader;

ALTER TABLE search_words ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON search_words FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON search_words TO portal_reader;

CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON organizations REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON organizations
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON organizations REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON teams REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON teams REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON teams REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();

-- Searches people with the trigram index, in the requested order. LIKE isn't leakproof, so behind a tenant's policy it
-- would read every row: the function runs as the owner and applies the tenant's condition itself. A statement contains
-- only the requested conditions, so that its plan fits. `place` is the position where the page begins.
--
-- "best" sorts exact email addresses first, then exact names (with the words in any order), then people with every word
-- at the beginning of a word, then all others. Within each group, the newest come first.
--
-- The newest rows are a sample. If it has many matches, rows are read in the order of the list until the page is full,
-- one rank after the other. Otherwise all matches are looked up and sorted. The patterns are hidden from the planner:
-- estimating their frequency would take longer than running the statement.
CREATE OR REPLACE FUNCTION portal_find_users(
    words text[], addresses text[], state text, organization uuid, wanted "Role", verified boolean, protected boolean,
    since timestamptz, never boolean, before timestamptz, sort text, down boolean, place text, place_id uuid,
    most integer)
RETURNS TABLE (id uuid, rank integer) LANGUAGE plpgsql ROWS 26 SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    is_unlimited CONSTANT boolean := current_setting('role') <> 'portal_tenant' AND
        coalesce(nullif(current_setting('portal.actor_role', true), ''), 'SYSTEM') IN ('SYSTEM', 'SUPER_ADMIN');
    own CONSTANT uuid := CASE WHEN is_unlimited THEN organization
        ELSE nullif(current_setting('portal.organization_id', true), '')::uuid END;
    by_rank CONSTANT boolean := sort = 'best';
    newest CONSTANT text := CASE WHEN state = 'deleted' THEN 'deleted_at' ELSE 'created_at' END;
    sorted CONSTANT text := CASE sort WHEN 'best' THEN newest WHEN 'name' THEN 'sort_name COLLATE "C"'
        WHEN 'last_sign_in_at' THEN 'COALESCE(last_sign_in_at, ''0001-01-01 00:00:00+00''::timestamptz)'
        WHEN 'deleted_at' THEN 'deleted_at' ELSE 'created_at' END;
    way CONSTANT text := CASE WHEN down = by_rank THEN 'ASC' ELSE 'DESC' END;
    place_rank CONSTANT integer := CASE WHEN by_rank AND place_id IS NOT NULL THEN left(place, 1)::integer END;
    at_place CONSTANT text := CASE WHEN by_rank THEN substr(place, 3) ELSE place END;
    further CONSTANT text := format('(%s, u.id) %s ($5::%s, $6)', sorted, CASE way WHEN 'ASC' THEN '>' ELSE '<' END,
        CASE sort WHEN 'name' THEN 'text' ELSE 'timestamptz' END);
    ordered CONSTANT text := format('%1$s %2$s, u.id %2$s', sorted, way);
    -- `base` can be answered by an index in the order of the list; `filters` apply to the rows that it returns.
    base CONSTANT text := 'true'
        || CASE WHEN own IS NULL THEN '' ELSE ' AND organization_id = $1' END
        || CASE WHEN since IS NULL THEN '' ELSE ' AND created_at >= $4' END
        || CASE WHEN before IS NULL THEN '' ELSE ' AND created_at < $8' END
        || CASE state
            WHEN 'any' THEN ''
            WHEN 'deleted' THEN ' AND deleted_at IS NOT NULL'
            WHEN 'invited' THEN ' AND deleted_at IS NULL AND is_active AND invited_at IS NOT NULL'
                ' AND accepted_at IS NULL'
            WHEN 'deactivated' THEN ' AND deleted_at IS NULL AND NOT is_active'
            WHEN 'organization-deleted' THEN ' AND deleted_at IS NULL AND organization_id = ANY (ARRAY'
                '(SELECT o.id FROM organizations o WHERE o.deleted_at IS NOT NULL))'
            ELSE ' AND deleted_at IS NULL' END;
    filters CONSTANT text := CASE WHEN is_unlimited THEN 'true' ELSE 'role <> ''SUPER_ADMIN''' END
        || CASE WHEN wanted IS NULL THEN '' ELSE ' AND role = $2' END
        || CASE WHEN verified IS NULL THEN '' ELSE ' AND email_verified = $3' END
        || CASE WHEN protected IS NULL THEN '' ELSE ' AND has_two_factor = $9' END
        || CASE WHEN never THEN ' AND last_sign_in_at IS NULL' ELSE '' END
        || CASE WHEN before IS NULL THEN '' ELSE ' AND last_sign_in_at < $8' END
        || CASE WHEN state = 'active' THEN ' AND is_active AND (invited_at IS NULL OR accepted_at IS NOT NULL)'
            ELSE '' END;
    -- Not checked inside a tenant, because nobody can sign in to a deleted organization.
    at_home CONSTANT text := CASE
        WHEN is_unlimited AND state IN ('active', 'invited') THEN ' AND coalesce('
            '(SELECT o.deleted_at IS NULL FROM organizations o WHERE o.id = u.organization_id), true)'
        ELSE '' END;
    -- Only this list has indexes for its sort orders and for exact names.
    has_order CONSTANT boolean := state = 'active';
    counted CONSTANT text := 'count(*) FILTER (WHERE %s)';
    search record;
    sample record;
    hits bigint[];
    fitting bigint[];
    not_whole text;
    conditions text[];
    is_frequent boolean;
    parts text;
    here text;
    found uuid[];
    found_now integer;
    at integer;
    room integer := most;
BEGIN
    IF NOT is_unlimited AND (
        own IS NULL OR organization <> own OR current_setting('portal.actor_role', true) IS DISTINCT FROM 'ADMIN') THEN
        RETURN;
    END IF;
    search := portal_ranks(words, addresses);
    EXECUTE format('SELECT count(*) AS read, count(begins) AS hits, %s AS starts, %s AS fitting_hits,'
        ' %s AS fitting_starts, ARRAY[%s] AS parts,'
        ' (SELECT reltuples FROM pg_class WHERE oid = ''public.users''::regclass) AS size'
        ' FROM (SELECT *, CASE WHEN %s THEN %s END AS begins'
        ' FROM (SELECT * FROM users u WHERE %s%s LIMIT 1000) u OFFSET 0) u',
        format(counted, 'begins'), format(counted, 'begins IS NOT NULL AND ' || filters),
        format(counted, 'begins AND ' || filters),
        (SELECT string_agg(CASE cardinality(search.parts) WHEN 1 THEN 'count(begins)'
            ELSE format(counted, format('search_text LIKE %L', part)) END, ', ') FROM unnest(search.parts) part),
        search.anywhere, search.beginning,
        base || CASE state WHEN 'any' THEN ' AND deleted_at IS NULL' ELSE '' END, -- enough for a sample, in an index
        CASE WHEN has_order OR state = 'any' THEN format(' ORDER BY %1$s DESC, u.id DESC', newest) ELSE '' END)
    INTO sample USING own, wanted, verified, since, at_place, place_id, room, before, protected;
    hits := ARRAY[sample.hits, NULL, sample.starts, sample.hits - sample.starts];
    fitting := ARRAY[sample.fitting_hits, NULL, sample.fitting_starts, sample.fitting_hits - sample.fitting_starts];
    is_frequent := sample.read = 1000 AND (hits[1] > 100
        OR has_order AND portal_is_frequent(hits[1], fitting[1], room, sample.size));
    IF NOT is_frequent THEN
        SELECT string_agg(format(' AND search_text LIKE (SELECT %L)', part), '') INTO parts
        FROM unnest(search.parts, sample.parts) looked_up (part, number)
        WHERE sample.read = 1000 AND number <= 100;
        -- A search for several words is mostly a name. If exact matches fill the page, no other match is needed.
        IF has_order AND by_rank AND search.whole_rank = 2 AND cardinality(words) > 1 AND place_id IS NULL AND NOT down
        THEN
            EXECUTE format('SELECT array_agg(id) FROM (SELECT u.id FROM (SELECT * FROM users u WHERE %s AND %s%s AND %s'
                ' AND %s OFFSET 0) u ORDER BY %s LIMIT $7) u',
                base, filters, at_home, search.whole, search.anywhere, ordered)
                INTO found USING own, wanted, verified, since, at_place, place_id, room, before, protected;
            IF cardinality(found) = room THEN
                RETURN QUERY SELECT one, 2 FROM unnest(found) one;
                RETURN;
            END IF;
        END IF;
        -- If the sample has no match, matches are so few that the index of the organization's people doesn't help.
        here := CASE WHEN parts IS NULL OR hits[1] > 0 THEN base
            ELSE replace(base, 'organization_id = $1', '(organization_id = $1) IS TRUE') END;
        RETURN QUERY EXECUTE format('SELECT u.id, u.rank FROM (SELECT *, %s AS rank FROM users u'
            ' WHERE %s AND %s%s%s AND %s OFFSET 0) u WHERE %s ORDER BY %s%s LIMIT $7',
            CASE WHEN by_rank THEN format('CASE WHEN %s THEN %s WHEN %s THEN 3 ELSE 4 END',
                search.whole, search.whole_rank, search.beginning) ELSE '1' END,
            here, filters, at_home, parts, search.anywhere,
            CASE WHEN place_id IS NULL THEN 'true' WHEN by_rank THEN format('(rank %s %s OR rank = %s AND %s)',
                CASE WHEN down THEN '<' ELSE '>' END, place_rank, place_rank, further) ELSE further END,
            CASE WHEN NOT by_rank THEN '' WHEN down THEN 'rank DESC, ' ELSE 'rank, ' END, ordered)
            USING own, wanted, verified, since, at_place, place_id, room, before, protected;
        RETURN;
    END IF;
    not_whole := format('NOT (SELECT %s FROM users w WHERE w.id = u.id)', search.whole);
    conditions := CASE WHEN NOT by_rank THEN ARRAY[search.anywhere] ELSE ARRAY[
        CASE search.whole_rank WHEN 1 THEN search.whole || ' AND ' || search.anywhere END,
        CASE search.whole_rank WHEN 2 THEN search.whole || ' AND ' || search.anywhere END,
        format('%s AND %s', search.beginning, not_whole),
        CASE WHEN search.beginning <> search.anywhere
            THEN format('%s AND NOT %s AND %s', search.anywhere, search.beginning, not_whole) END] END;
    FOR turn IN 1..cardinality(conditions) LOOP
        at := CASE WHEN by_rank AND down THEN 5 - turn ELSE turn END;
        CONTINUE WHEN conditions[at] IS NULL OR place_rank > at AND NOT down OR place_rank < at AND down;
        here := base || CASE WHEN place_id IS NULL OR place_rank <> at THEN '' ELSE ' AND ' || further END;
        is_frequent := (has_order OR hits[1] > 100 AND state <> 'any')
            AND portal_is_frequent(hits[at], fitting[at], room, sample.size);
        IF is_frequent THEN
            EXECUTE format('SELECT array_agg(id) FROM (SELECT u.id FROM (SELECT * FROM users u WHERE %s ORDER BY %s'
                ' LIMIT %s) u WHERE %s AND %s%s LIMIT $7) u', here, ordered, 500 + 2000 * room / fitting[at],
                filters, conditions[at], at_home)
                INTO found USING own, wanted, verified, since, at_place, place_id, room, before, protected;
            IF cardinality(found) = room THEN
                RETURN QUERY SELECT one, at FROM unnest(found) one;
                RETURN;
            END IF;
        END IF;
        parts := CASE WHEN by_rank AND at < 3 THEN '' ELSE (
            SELECT string_agg(format(' AND search_text LIKE (SELECT %L)',
                CASE WHEN by_rank AND at = 3 THEN '% ' || ltrim(part, '% ') ELSE part END), '')
            FROM unnest(search.parts, sample.parts) looked_up (part, number)
            WHERE number <= 100 OR by_rank AND at = 3 AND hits[3] <= 100) END;
        RETURN QUERY EXECUTE format(
            'SELECT u.id, %s FROM (SELECT * FROM users u WHERE %s AND %s%s%s AND %s%s) u ORDER BY %s LIMIT $7',
            at, here, filters, at_home, parts, conditions[at],
            CASE WHEN parts IS NULL THEN '' ELSE ' OFFSET 0' END, ordered)
            USING own, wanted, verified, since, at_place, place_id, room, before, protected;
        GET DIAGNOSTICS found_now = ROW_COUNT;
        room := room - found_now;
        EXIT WHEN room <= 0;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION portal_find_users FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_find_users TO portal_tenant;
