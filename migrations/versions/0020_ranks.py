"""Search ranks what it finds: the address itself, the name itself, beginnings of words, and what else holds them."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# One condition for each rank, NULL for one that this search has not, and one for all of them. Each leaves out those
# before it, and says nothing twice: the planner would take it for rarer.
RANKS = r"""
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
END $$
"""

# Finds people by the index of words, in the order asked for; within a tenant too, where LIKE, which is not leakproof,
# would read every row behind the policy. It runs as the owner and holds the tenant's condition itself. Only what is
# asked for becomes part of a statement, so that its plan is made for just that. `place` is where the page begins.
# By "best" come whose address is just that, whose name is just that (in whichever order), in whom every word begins
# one, and all others, each of them the newest first. What comes first is looked for first; the rest, only if there is
# room for it.
FIND_USERS = r"""
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
END $$
"""

FORMER_FIND_USERS = """
CREATE FUNCTION portal_find_users(
    patterns text[], state text, house uuid, wanted "Role", verified boolean, since timestamptz, never boolean,
    before timestamptz, sort text, down boolean, place text, place_id uuid, most integer)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 26 SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own CONSTANT uuid := nullif(current_setting('portal.organization_id', true), '')::uuid;
    sorted CONSTANT text := CASE sort WHEN 'name' THEN 'sort_name' WHEN 'last_sign_in_at' \
THEN 'COALESCE(last_sign_in_at, ''0001-01-01 00:00:00+00''::timestamptz)' WHEN \
'deleted_at' THEN sort ELSE 'created_at' END;
    kind CONSTANT text := CASE sort WHEN 'name' THEN 'text' ELSE 'timestamptz' END;
    way CONSTANT text := CASE WHEN down THEN 'DESC' ELSE 'ASC' END;
BEGIN
    IF own IS NULL OR house <> own OR current_setting('portal.actor_role', true) IS DISTINCT FROM 'ADMIN' THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'SELECT id FROM users WHERE organization_id = $1 AND role <> ''SUPER_ADMIN'''
        || CASE state WHEN 'active' THEN ' AND deleted_at IS NULL AND is_active'
            WHEN 'deactivated' THEN ' AND deleted_at IS NULL AND NOT is_active'
            WHEN 'deleted' THEN ' AND deleted_at IS NOT NULL' ELSE '' END
        || CASE WHEN wanted IS NULL THEN '' ELSE ' AND role = $2' END
        || CASE WHEN verified IS NULL THEN '' ELSE ' AND email_verified = $3' END
        || CASE WHEN since IS NULL THEN '' ELSE ' AND created_at >= $4' END
        || CASE WHEN never THEN ' AND last_sign_in_at IS NULL' ELSE '' END
        || CASE WHEN before IS NULL THEN '' ELSE ' AND last_sign_in_at < $8' END
        || (SELECT coalesce(string_agg(format(' AND search_text LIKE %L', one), ''), '') FROM unnest(patterns) one)
        || CASE WHEN place_id IS NULL THEN ''
            ELSE format(' AND (%s, id) %s ($5::%s, $6)', sorted, CASE WHEN down THEN '<' ELSE '>' END, kind) END
        || format(' ORDER BY %s %s, id %s LIMIT $7', sorted, way, way)
        USING own, wanted, verified, since, place, place_id, most, before;
END
$$
"""
FORMER = 'text[], text, uuid, "Role", boolean, timestamptz, boolean, timestamptz, text, boolean, text, uuid, integer'
LATER = f"text[], {FORMER}"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(RANKS.replace("%", "%%"))
    replace(FORMER, FIND_USERS, LATER)


def downgrade() -> None:
    replace(LATER, FORMER_FIND_USERS, FORMER)
    op.execute("DROP FUNCTION portal_ranks(text[], text[])")


def replace(former: str, definition: str, later: str) -> None:
    """Another signature is another function: the former one goes, with its grants."""
    op.execute(f"DROP FUNCTION portal_find_users({former})")
    op.get_bind().exec_driver_sql(definition.replace("%", "%%"))
    op.execute(f"REVOKE ALL ON FUNCTION portal_find_users({later}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION portal_find_users({later}) TO portal_tenant")
