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
--
-- `asked` are the filters: `organizations` and `roles` (several values), `verified`, `two_factor`, `never_signed_in`,
-- `expires`, `expires_until`, and `created`, `changed` and `signed_in` (the first time, and the one after the last).
CREATE OR REPLACE FUNCTION portal_find_users(
    words text[], addresses text[], state text, asked jsonb, sort text, down boolean, place text, place_id uuid,
    most integer)
RETURNS TABLE (id uuid, rank integer) LANGUAGE plpgsql ROWS 26 SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    is_unlimited CONSTANT boolean := current_setting('role') <> 'portal_tenant' AND
        coalesce(nullif(current_setting('portal.actor_role', true), ''), 'SYSTEM') IN ('SYSTEM', 'SUPER_ADMIN');
    wanted CONSTANT uuid[] := (
        SELECT array_agg(one::uuid) FROM jsonb_array_elements_text(asked -> 'organizations') one);
    tenant CONSTANT uuid := nullif(current_setting('portal.organization_id', true), '')::uuid;
    own CONSTANT uuid[] := CASE WHEN is_unlimited THEN wanted ELSE ARRAY[tenant] END;
    by_rank CONSTANT boolean := sort = 'best';
    newest CONSTANT text := CASE WHEN state = 'deleted' THEN 'deleted_at' ELSE 'created_at' END;
    signed_in CONSTANT text := 'CASE WHEN last_sign_in_at IS NULL THEN ''0001-01-01 00:00:00+00''::timestamptz'
        ' ELSE last_sign_in_at END';
    sorted CONSTANT text := CASE sort WHEN 'best' THEN newest WHEN 'name' THEN 'sort_name COLLATE "C"'
        WHEN 'last_sign_in_at' THEN signed_in WHEN 'deleted_at' THEN 'deleted_at' WHEN 'updated_at' THEN 'updated_at'
        WHEN 'invited_at' THEN 'invited_at' ELSE 'created_at' END;
    way CONSTANT text := CASE WHEN down = by_rank THEN 'ASC' ELSE 'DESC' END;
    place_rank CONSTANT integer := CASE WHEN by_rank AND place_id IS NOT NULL THEN left(place, 1)::integer END;
    at_place CONSTANT text := CASE WHEN by_rank THEN substr(place, 3) ELSE place END;
    further CONSTANT text := format('(%s, u.id) %s ($2::%s, $3)', sorted, CASE way WHEN 'ASC' THEN '>' ELSE '<' END,
        CASE sort WHEN 'name' THEN 'text' ELSE 'timestamptz' END);
    ordered CONSTANT text := format('%1$s %2$s, u.id %2$s', sorted, way);
    -- `base` can be answered by an index in the order of the list; `filters` apply to the rows that it returns.
    base CONSTANT text := 'true'
        || CASE WHEN own IS NULL THEN '' WHEN cardinality(own) = 1 THEN ' AND organization_id = ($1)[1]'
            ELSE ' AND organization_id = ANY ($1)' END
        || coalesce(' AND created_at >= ' || quote_literal(asked #>> '{created,0}') || '::timestamptz', '')
        || coalesce(' AND created_at < ' || quote_literal(asked #>> '{created,1}') || '::timestamptz', '')
        || coalesce(' AND created_at < ' || quote_literal(asked #>> '{changed,1}') || '::timestamptz', '')
        || coalesce(' AND created_at < ' || quote_literal(asked #>> '{signed_in,1}') || '::timestamptz', '')
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
        || coalesce(' AND role = ANY (' || quote_literal(
            (SELECT array_agg(one) FROM jsonb_array_elements_text(asked -> 'roles') one)) || '::"Role"[])', '')
        || coalesce(' AND email_verified = ' || quote_literal(asked ->> 'verified') || '::boolean', '')
        || coalesce(' AND has_two_factor = ' || quote_literal(asked ->> 'two_factor') || '::boolean', '')
        || CASE WHEN asked ? 'expires' THEN ' AND expires_on IS NOT NULL' ELSE '' END
        || coalesce(' AND is_active AND expires_on <= ' || quote_literal(asked ->> 'expires_until') || '::date', '')
        || CASE WHEN asked ? 'never_signed_in' THEN ' AND last_sign_in_at IS NULL' ELSE '' END
        || coalesce(' AND last_sign_in_at >= ' || quote_literal(asked #>> '{signed_in,0}') || '::timestamptz', '')
        || coalesce(' AND last_sign_in_at < ' || quote_literal(asked #>> '{signed_in,1}') || '::timestamptz', '')
        || coalesce(' AND updated_at >= ' || quote_literal(asked #>> '{changed,0}') || '::timestamptz', '')
        || coalesce(' AND updated_at < ' || quote_literal(asked #>> '{changed,1}') || '::timestamptz', '')
        || CASE WHEN state = 'active' THEN ' AND is_active AND (invited_at IS NULL OR accepted_at IS NOT NULL)'
            ELSE '' END;
    -- Not checked inside a tenant, because nobody can sign in to a deleted organization.
    at_home CONSTANT text := CASE
        WHEN is_unlimited AND state IN ('active', 'invited') THEN ' AND coalesce('
            '(SELECT o.deleted_at IS NULL FROM organizations o WHERE o.id = u.organization_id), true)'
        ELSE '' END;
    -- Only this list has indexes for its sort orders and for exact names.
    has_order CONSTANT boolean := state = 'active';
    -- An index in this order contains what is searched, so that reading many of its rows costs little.
    is_covered CONSTANT boolean := sort IN ('best', 'created_at');
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
        tenant IS NULL OR tenant <> ALL (wanted)
        OR current_setting('portal.actor_role', true) IS DISTINCT FROM 'ADMIN') THEN
        RETURN;
    END IF;
    search := portal_ranks(words, addresses);
    EXECUTE format('SELECT count(*) AS read, count(begins) AS hits, %s AS starts, %s AS fitting_hits,'
        ' %s AS fitting_starts, ARRAY[%s] AS parts,'
        ' %s AS size'
        ' FROM (SELECT *, CASE WHEN %s THEN %s END AS begins'
        ' FROM (SELECT * FROM users u WHERE %s%s LIMIT 1000) u OFFSET 0) u',
        format(counted, 'begins'), format(counted, 'begins IS NOT NULL AND ' || filters),
        format(counted, 'begins AND ' || filters),
        (SELECT string_agg(CASE cardinality(search.parts) WHEN 1 THEN 'count(begins)'
            ELSE format(counted, format('search_text LIKE %L', part)) END, ', ') FROM unnest(search.parts) part),
        CASE WHEN cardinality(own) = 1 AND NOT is_covered
            THEN '(SELECT sum(people)::real FROM user_totals WHERE organization_id = ($1)[1])'
            ELSE '(SELECT reltuples FROM pg_class WHERE oid = ''public.users''::regclass)' END,
        search.anywhere, search.beginning,
        base || CASE state WHEN 'any' THEN ' AND deleted_at IS NULL' ELSE '' END, -- enough for a sample, in an index
        CASE WHEN has_order OR state = 'any' THEN format(' ORDER BY %1$s DESC, u.id DESC', newest) ELSE '' END)
    INTO sample USING own, at_place, place_id, room;
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
                ' AND %s OFFSET 0) u ORDER BY %s LIMIT $4) u',
                base, filters, at_home, search.whole, search.anywhere, ordered)
                INTO found USING own, at_place, place_id, room;
            IF cardinality(found) = room THEN
                RETURN QUERY SELECT one, 2 FROM unnest(found) one;
                RETURN;
            END IF;
        END IF;
        RETURN QUERY EXECUTE format('SELECT u.id, u.rank FROM (SELECT *, %s AS rank FROM users u'
            ' WHERE %s AND %s%s%s AND %s OFFSET 0) u WHERE %s ORDER BY %s%s LIMIT $4',
            CASE WHEN by_rank THEN format('CASE WHEN %s THEN %s WHEN %s THEN 3 ELSE 4 END',
                search.whole, search.whole_rank, search.beginning) ELSE '1' END,
            base, filters, at_home, parts, search.anywhere,
            CASE WHEN place_id IS NULL THEN 'true' WHEN by_rank THEN format('(rank %s %s OR rank = %s AND %s)',
                CASE WHEN down THEN '<' ELSE '>' END, place_rank, place_rank, further) ELSE further END,
            CASE WHEN NOT by_rank THEN '' WHEN down THEN 'rank DESC, ' ELSE 'rank, ' END, ordered)
            USING own, at_place, place_id, room;
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
                ' LIMIT %s) u WHERE %s AND %s%s LIMIT $4) u', here, ordered, 500 + 2000 * room / fitting[at],
                filters, conditions[at], at_home)
                INTO found USING own, at_place, place_id, room;
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
            'SELECT u.id, %s FROM (SELECT * FROM users u WHERE %s AND %s%s%s AND %s%s) u ORDER BY %s LIMIT $4',
            at, here, filters, at_home, parts, conditions[at],
            CASE WHEN parts IS NULL THEN '' ELSE ' OFFSET 0' END, ordered)
            USING own, at_place, place_id, room;
        GET DIAGNOSTICS found_now = ROW_COUNT;
        room := room - found_now;
        EXIT WHEN room <= 0;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION portal_find_users FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_find_users TO portal_tenant;
