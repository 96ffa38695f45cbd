-- Settings of an organization; empty ones leave it to the installation.

ALTER TABLE organizations ADD COLUMN inviters text, ADD COLUMN email_domains text, ADD COLUMN two_factor_for text,
ADD COLUMN session_hours integer, ADD COLUMN idle_minutes integer, ADD COLUMN password_minimum integer,
ADD COLUMN seat_limit integer;
GRANT UPDATE (inviters, email_domains, two_factor_for, session_hours, idle_minutes, password_minimum)
ON organizations TO portal_tenant;
GRANT SELECT (inviters, email_domains, two_factor_for, session_hours, idle_minutes, password_minimum,
    seat_limit) ON organizations TO portal_reader;
-- The history's functions name the columns.
SELECT portal_watch('organizations', 'r.id');

-- Shortens a new session to what its organization allows.
CREATE OR REPLACE FUNCTION portal_limit_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    hours interval;
    unused interval;
BEGIN
    SELECT make_interval(hours => session_hours), make_interval(mins => idle_minutes) INTO hours, unused
    FROM organizations WHERE id = NEW.organization_id;
    NEW.idle := least(NEW.idle, unused);
    NEW.ends_at := least(NEW.ends_at, NEW.created_at + hours);
    NEW.expires_at := least(NEW.expires_at, NEW.ends_at, NEW.used_at + unused);
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_limit_session FROM PUBLIC;

-- Shortens the sessions of an organization's people to what it allows from now on.
CREATE OR REPLACE FUNCTION portal_limit_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    hours CONSTANT interval := make_interval(hours => NEW.session_hours);
    unused CONSTANT interval := make_interval(mins => NEW.idle_minutes);
BEGIN
    UPDATE sessions SET idle = least(idle, unused), ends_at = least(ends_at, created_at + hours),
        expires_at = least(expires_at, created_at + hours, used_at + unused)
    WHERE organization_id = NEW.id AND ended_at IS NULL AND expires_at > now()
        AND (idle > unused OR ends_at > created_at + hours);
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_limit_sessions FROM PUBLIC;

CREATE OR REPLACE TRIGGER limits BEFORE INSERT ON sessions FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL)
EXECUTE FUNCTION portal_limit_session();
CREATE OR REPLACE TRIGGER limits AFTER UPDATE OF session_hours, idle_minutes ON organizations
FOR EACH ROW EXECUTE FUNCTION portal_limit_sessions();

-- Refuses people beyond the seats of their organization. Invited people take a seat, SUPER_ADMINs don't. The lock makes
-- others who add people to it wait, so that each sees whom the others added.
CREATE OR REPLACE FUNCTION portal_check_seats(place uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    seats integer;
    title text;
BEGIN
    SELECT seat_limit, name INTO seats, title FROM organizations WHERE id = place AND seat_limit IS NOT NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('seats ' || place, 0));
    IF seats < (SELECT sum(people) FROM user_totals
        WHERE organization_id = place AND status IN ('active', 'invited') AND role <> 'SUPER_ADMIN') THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_seats_rule',
            MESSAGE = format('%s has %s, and all are in use. Deactivate people, or ask your system administrator for '
                'more seats.', title, CASE seats WHEN 1 THEN '1 seat' ELSE seats || ' seats' END);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_check_seats FROM PUBLIC;

-- Keeps user_totals, for forms, bulk statements, COPY and psql alike. Each person counts twice: in their organization,
-- and among everybody, in rows without an organization. Organizations are locked as their foreign keys do it: that only
-- makes deleting and restoring one wait, see portal_move_user_totals. Plans made for one row also run for a million, so
-- organizations are looked up one by one. An organization whose people become more must have seats for them.
CREATE OR REPLACE FUNCTION portal_keep_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM new_rows
            EXCEPT ALL
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM old_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM old_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, -count(*))
        FROM old_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM new_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*))
        FROM new_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM portal_check_seats(organization_id) FROM new_rows
        WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN'
        GROUP BY organization_id;
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM portal_check_seats(organization_id)
        FROM (
            SELECT organization_id, 1 AS more FROM new_rows
            WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN'
            UNION ALL
            SELECT organization_id, -1 FROM old_rows
            WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN') seats
        GROUP BY organization_id HAVING sum(more) > 0;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_user_totals FROM PUBLIC;

-- Why an email address can't belong to a person of an organization, for people; NULL if it can.
CREATE OR REPLACE FUNCTION portal_address_problem(place uuid, address text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (
        SELECT format('%s allows only email addresses at %s.', name, replace(email_domains, ' ', ' or '))
        FROM organizations
        WHERE id = place AND split_part(lower(address), '@', -1) <> ALL (string_to_array(email_domains, ' ')));
END $$;
REVOKE ALL ON FUNCTION portal_address_problem FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_address_problem TO portal_tenant;

-- Refuses new people, new addresses and moves that the email domains of the organization don't allow. People who were
-- there before keep their addresses.
CREATE OR REPLACE FUNCTION portal_check_addresses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    problem text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        problem := coalesce(portal_address_problem(NEW.organization_id, NEW.email),
            portal_address_problem(NEW.organization_id, NEW.pending_email));
    ELSIF EXISTS (SELECT FROM organizations WHERE email_domains IS NOT NULL
        AND id = ANY (ARRAY(SELECT DISTINCT organization_id FROM new_rows))) THEN
        problem := (SELECT min(portal_address_problem(organization_id, email)) FROM new_rows);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_email_rule',
            MESSAGE = problem;
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_check_addresses FROM PUBLIC;

CREATE OR REPLACE TRIGGER addresses_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_check_addresses();
CREATE OR REPLACE TRIGGER addresses_change BEFORE UPDATE OF email, pending_email, organization_id ON users
FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL AND (OLD.email <> NEW.email
    OR OLD.pending_email IS DISTINCT FROM NEW.pending_email AND NEW.pending_email IS NOT NULL
    OR OLD.organization_id IS DISTINCT FROM NEW.organization_id))
EXECUTE FUNCTION portal_check_addresses();

-- Decides again what to do with some rows of an import that aren't refused yet, without writing people. Returns how
-- many addresses belong to people whom the caller can't see: imports/people_by_sql.py limits how many a caller can
-- find out. Runs as the owner. Looks everything up by index, because rows just written have no statistics yet.
CREATE OR REPLACE FUNCTION portal_check_import(
    checked uuid, first integer, last integer, overwrites text[], granted text[])
RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
WITH found AS MATERIALIZED (
    SELECT r.number, r.verdict AS former, r.row_id AS new_id, u.id AS user_id, CASE
        WHEN twin.line IS NOT NULL THEN format('Email: the same address as on line %s.', twin.line)
        WHEN u.id IS NULL AND gone.id IS NOT NULL THEN 'Email: a deleted person has this address. Restore them instead.'
        WHEN u.id IS NOT NULL AND (u.organization_id IS DISTINCT FROM r.home_id
            OR current_setting('role') = 'portal_tenant' AND u.role = 'SUPER_ADMIN')
            THEN CASE WHEN current_setting('role') = 'portal_tenant' THEN
                'Email: this address can''t be used here. Ask your system administrator.'
                ELSE 'Email: a person in another organization has this address.' END
        WHEN r.role::text <> ALL (granted) AND (u.id IS NULL OR 'role' = ANY (overwrites))
            THEN 'Role: you can''t grant this role.'
        WHEN u.id IS NULL AND home.email_domains IS NOT NULL
            THEN 'Email: ' || portal_address_problem(home.id, r.key)
        END AS trouble,
        'first_name' = ANY (overwrites) AND r.first_name <> coalesce(u.first_name, '')
        OR 'last_name' = ANY (overwrites) AND r.last_name <> coalesce(u.last_name, '')
        OR 'role' = ANY (overwrites) AND r.role <> u.role
        OR 'is_active' = ANY (overwrites) AND r.is_active <> u.is_active
        OR 'expires_on' = ANY (overwrites) AND r.expires_on <> coalesce(u.expires_on, 'infinity') AS differs
    FROM import_rows r
    LEFT JOIN LATERAL (SELECT t.line FROM import_rows t WHERE t.import_id = r.import_id AND t.key = r.key
        AND t.number < r.number ORDER BY t.key, t.number LIMIT 1) twin ON true
    LEFT JOIN users u ON lower(u.email) = r.key AND u.deleted_at IS NULL
    LEFT JOIN organizations home ON home.id = r.home_id
    LEFT JOIN LATERAL (SELECT d.id FROM users d WHERE lower(d.email) = r.key AND d.deleted_at IS NOT NULL
        AND d.organization_id IS NOT DISTINCT FROM r.home_id LIMIT 1) gone ON u.id IS NULL
    WHERE r.import_id = checked AND r.number BETWEEN first AND last AND r.verdict <> 'refused'
        AND EXISTS (SELECT FROM imports i WHERE i.id = checked AND (current_setting('role') <> 'portal_tenant'
            OR i.organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid))),
judged AS MATERIALIZED (
    SELECT number, trouble, CASE WHEN trouble IS NOT NULL THEN 'refused' WHEN user_id IS NULL THEN 'create'
            WHEN differs THEN 'update' ELSE 'unchanged' END AS verdict,
        CASE WHEN trouble IS NULL
            THEN coalesce(user_id, CASE former WHEN 'create' THEN new_id END, gen_random_uuid()) END AS row_id
    FROM found),
decided AS (
    UPDATE import_rows r SET reason = j.trouble, verdict = j.verdict, row_id = j.row_id
    FROM judged j WHERE r.import_id = checked AND r.number = j.number
        AND (r.reason, r.verdict, r.row_id) IS DISTINCT FROM (j.trouble, j.verdict, j.row_id))
SELECT count(*) FILTER (WHERE trouble = 'Email: this address can''t be used here. Ask your system administrator.')
FROM judged
$$;
REVOKE ALL ON FUNCTION portal_check_import FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_check_import TO portal_tenant;
