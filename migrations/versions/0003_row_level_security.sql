-- Tenant isolation in SQL: whoever belongs to a tenant acts as portal_tenant, which row-level security limits.
-- The roles belong to the whole server: they exist before migrations begin, and stay.

GRANT USAGE ON SCHEMA public TO portal_tenant;


-- Functions that act as the owner for tenants

-- Whether the actor may learn about a person. Functions that run as the owner ask this for callers inside a tenant.
CREATE FUNCTION portal_reaches(who uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
RETURN current_setting('role') <> 'portal_tenant' OR EXISTS (
    SELECT FROM public.users WHERE id = who AND (
        id = nullif(current_setting('portal.actor_id', true), '')::uuid
        OR current_setting('portal.actor_role', true) = 'ADMIN' AND role <> 'SUPER_ADMIN'
        AND organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid));
REVOKE ALL ON FUNCTION portal_reaches FROM PUBLIC;

-- All that anyone inside a tenant learns about second factors: whether a person has one.
CREATE FUNCTION portal_has_two_factor(who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
RETURN public.portal_reaches(who) AND (EXISTS (SELECT FROM public.authenticators WHERE user_id = who)
    OR EXISTS (SELECT FROM public.passkeys WHERE user_id = who));
REVOKE ALL ON FUNCTION portal_has_two_factor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_has_two_factor TO portal_tenant;

-- The conditions of a ranked search: one for each rank, NULL for a rank that this search doesn't have, and one for all
-- of them. Each excludes those before it, and repeats nothing: the planner would take it for rarer.
CREATE FUNCTION portal_ranks(words text[], addresses text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_address CONSTANT boolean := cardinality(addresses) > 0;
    asked CONSTANT text := 'search_text LIKE %L';
    whole text;
    beginnings text;
    anywhere text;
    are_all boolean;
BEGIN
    SELECT string_agg(format(asked, beginning), ' AND '), string_agg(format(asked, pattern), ' AND '),
        bool_and(beginning = pattern)
    INTO beginnings, anywhere, are_all
    FROM (SELECT portal_search_pattern(word) AS pattern FROM unnest(words) word) patterns,
        LATERAL (SELECT '% ' || ltrim(pattern, '% ') AS beginning) made;
    IF is_address THEN
        whole := 'lower(email) = ANY ($9)';
        RETURN ARRAY[format('%s AND %s', whole, anywhere), NULL, format('%s AND NOT (%s)', beginnings, whole),
            CASE WHEN NOT are_all THEN format('%s AND NOT (%s) AND NOT (%s)', anywhere, beginnings, whole) END,
            anywhere];
    END IF;
    SELECT string_agg(
        format('sort_name COLLATE "C" >= %L AND sort_name COLLATE "C" < %L', key, key || E'\x02'), ' OR ')
    INTO whole
    FROM (SELECT DISTINCT split_part(
            portal_sort_key(array_to_string(words[n:] || words[:n - 1], ' ')), E'\x01', 1) AS key
        FROM generate_series(1, cardinality(words)) n) keys;
    RETURN ARRAY[NULL, format('(%s) AND %s', whole, anywhere), format('%s AND NOT (%s)', beginnings, whole),
        CASE WHEN NOT are_all THEN format('%s AND NOT (%s) AND NOT (%s)', anywhere, beginnings, whole) END,
            anywhere];
END $$;

-- Finds people by the trigram index, in the requested order; inside a tenant too, where LIKE, which isn't leakproof,
-- would read every row behind the policy. It runs as the owner and applies the tenant's condition itself. Only what is
-- asked for becomes part of a statement, so that its plan fits. `place` is where the page begins.
--
-- "best" lists people whose email address matches, then whose name matches (in any order), then those in whom every
-- word begins a word, then all others, each group with the newest first. Each group is searched only if the page has
-- room left.
CREATE FUNCTION portal_find_users(
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


-- Policies and grants

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations TO portal_tenant
USING (id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT ON organizations TO portal_tenant;
GRANT UPDATE (name) ON organizations TO portal_tenant;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
-- CASE, because OR would keep indexes from being walked in order.
CREATE POLICY tenant ON users TO portal_tenant
USING (
    CASE WHEN id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid) THEN true
    ELSE organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
        AND role <> 'SUPER_ADMIN' END
)
WITH CHECK (
    role <> 'SUPER_ADMIN' AND (
        id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)
        OR organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid))
);
GRANT INSERT ON users TO portal_tenant;
GRANT SELECT (
    id, email, first_name, last_name, role, is_active, email_verified, organization_id, created_at, updated_at,
    deleted_at, created_by, updated_by, deleted_by, version, must_change_password, time_zone, pending_email,
    link_counter, invited_at, accepted_at, revoked_at, last_sign_in_at, sort_name, search_text
) ON users TO portal_tenant;
GRANT UPDATE (
    email, password, first_name, last_name, role, is_active, email_verified, deleted_at, must_change_password,
    time_zone, pending_email, link_counter, invited_at, accepted_at, revoked_at
) ON users TO portal_tenant;

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sessions TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, created_at, authenticated_at, used_at, expires_at, ends_at,
    ended_at, is_browser
) ON sessions TO portal_tenant;
GRANT UPDATE (ended_at) ON sessions TO portal_tenant;

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_tokens TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, expires_at, created_at, revoked_at, session_id
) ON refresh_tokens TO portal_tenant;
GRANT UPDATE (revoked_at) ON refresh_tokens TO portal_tenant;

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_tokens TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, name, beginning, scopes, created_at, expires_at, used_at, revoked_at
) ON api_tokens TO portal_tenant;
GRANT UPDATE (revoked_at) ON api_tokens TO portal_tenant;
