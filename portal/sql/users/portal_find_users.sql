-- Finds people by the trigram index, in the requested order; inside a tenant too, where LIKE, which isn't leakproof,
-- would read every row behind the policy. It runs as the owner and applies the tenant's condition itself. Only what is
-- asked for becomes part of a statement, so that its plan fits. `place` is where the page begins.
--
-- "best" lists people whose email address matches, then whose name matches (in any order), then those in whom every
-- word begins a word, then all others, each group with the newest first. Each group is searched only if the page has
-- room left.
CREATE OR REPLACE FUNCTION portal_find_users(
    words text[], addresses text[], state text, house uuid, wanted "Role", verified boolean, since timestamptz,
    never boolean, before timestamptz, sort text, down boolean, place text, place_id uuid, most integer)
RETURNS TABLE (id uuid, rank integer) LANGUAGE plpgsql ROWS 26 SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_unlimited CONSTANT boolean := current_setting('role') <> 'portal_tenant' AND
        coalesce(nullif(current_setting('portal.actor_role', true), ''), 'SYSTEM') IN ('SYSTEM', 'SUPER_ADMIN');
    own CONSTANT uuid := CASE WHEN is_unlimited THEN house
        ELSE nullif(current_setting('portal.organization_id', true), '')::uuid END;
    by_rank CONSTANT boolean := sort = 'best';
    sorted CONSTANT text := CASE WHEN sort = 'name' THEN 'sort_name COLLATE "C"'
        WHEN sort = 'last_sign_in_at' THEN 'COALESCE(last_sign_in_at, ''0001-01-01 00:00:00+00''::timestamptz)'
        WHEN sort = 'deleted_at' OR by_rank AND state = 'deleted' THEN 'deleted_at' ELSE 'created_at' END;
    way CONSTANT text := CASE WHEN down = by_rank THEN 'ASC' ELSE 'DESC' END;
    place_rank CONSTANT integer := CASE WHEN by_rank AND place_id IS NOT NULL THEN left(place, 1)::integer END;
    -- Nobody looks at people from inside an organization that is deleted.
    at_home CONSTANT text := CASE WHEN is_unlimited THEN ' AND (organization_id IS NULL OR organization_id NOT IN'
        ' (SELECT o.id FROM organizations o WHERE o.deleted_at IS NOT NULL))' ELSE '' END;
    condition text;
    ranks text[];
    at integer;
    at_place CONSTANT text := CASE WHEN by_rank THEN substr(place, 3) ELSE place END;
    here text;
    ordered text;
    rows text;
    plan json;
    few uuid[];
    found_now integer;
    room integer := most;
BEGIN
    IF NOT is_unlimited AND (
        own IS NULL OR house <> own OR current_setting('portal.actor_role', true) IS DISTINCT FROM 'ADMIN') THEN
        RETURN;
    END IF;
    condition := CASE WHEN is_unlimited THEN 'true' ELSE 'role <> ''SUPER_ADMIN''' END
        || CASE WHEN own IS NULL THEN '' ELSE ' AND organization_id = $1' END
        || CASE state
            WHEN 'active' THEN ' AND deleted_at IS NULL AND is_active'
                ' AND (invited_at IS NULL OR accepted_at IS NOT NULL)' || at_home
            WHEN 'invited' THEN ' AND deleted_at IS NULL AND is_active AND invited_at IS NOT NULL'
                ' AND accepted_at IS NULL' || at_home
            WHEN 'deactivated' THEN ' AND deleted_at IS NULL AND NOT is_active'
            WHEN 'deleted' THEN ' AND deleted_at IS NOT NULL'
            WHEN 'organization-deleted' THEN ' AND deleted_at IS NULL AND organization_id IN'
                ' (SELECT o.id FROM organizations o WHERE o.deleted_at IS NOT NULL)'
            ELSE '' END
        || CASE WHEN wanted IS NULL THEN '' ELSE ' AND role = $2' END
        || CASE WHEN verified IS NULL THEN '' ELSE ' AND email_verified = $3' END
        || CASE WHEN since IS NULL THEN '' ELSE ' AND created_at >= $4' END
        || CASE WHEN never THEN ' AND last_sign_in_at IS NULL' ELSE '' END
        || CASE WHEN before IS NULL THEN '' ELSE ' AND last_sign_in_at < $8' END;
    IF by_rank THEN
        ranks := portal_ranks(words, addresses);
    ELSE
        SELECT ARRAY[string_agg(format('search_text LIKE %L', portal_search_pattern(word)), ' AND ')] INTO ranks
        FROM unnest(words) word;
    END IF;
    FOR turn IN 1..4 LOOP
        at := CASE WHEN by_rank AND down THEN 5 - turn ELSE turn END;
        CONTINUE WHEN ranks[at] IS NULL OR place_rank > at AND NOT down OR place_rank < at AND down;
        here := condition || CASE WHEN place_id IS NULL OR place_rank <> at THEN ''
            ELSE format(' AND (%s, u.id) %s ($5::%s, $6)', sorted, CASE way WHEN 'ASC' THEN '>' ELSE '<' END,
                CASE sort WHEN 'name' THEN 'text' ELSE 'timestamptz' END) END;
        ordered := format(' ORDER BY %1$s %2$s, u.id %2$s', sorted, way);
        rows := format('(SELECT * FROM users u WHERE %s) u WHERE %s', here, ranks[at]);
        IF at = 4 THEN
            -- How many remain beside those before, nobody can estimate. Where many hold the words, a stretch is walked
            -- first; where that is not enough, all who hold them are looked up.
            EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM users u WHERE %s AND %s', here, ranks[5]) INTO plan
            USING own, wanted, verified, since, at_place, place_id, room, before, addresses;
            IF (plan -> 0 -> 'Plan' ->> 'Plan Rows')::float > 2000 THEN
                EXECUTE format('SELECT array_agg(id) FROM (SELECT u.id FROM (SELECT * FROM users u WHERE %s %s'
                    ' LIMIT 5000) u WHERE %s %s LIMIT $7) few', here, ordered, ranks[at], ordered) INTO few
                USING own, wanted, verified, since, at_place, place_id, room, before, addresses;
                IF cardinality(few) = room THEN
                    RETURN QUERY SELECT one, at FROM unnest(few) one;
                    RETURN;
                END IF;
            END IF;
            rows := format('(SELECT * FROM users u WHERE %s AND %s OFFSET 0) u', here, ranks[at]);
        END IF;
        RETURN QUERY EXECUTE format('SELECT u.id, %s FROM %s %s LIMIT $7', at, rows, ordered)
            USING own, wanted, verified, since, at_place, place_id, room, before, addresses;
        GET DIAGNOSTICS found_now = ROW_COUNT;
        room := room - found_now;
        EXIT WHEN room <= 0;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION portal_find_users FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_find_users TO portal_tenant;
