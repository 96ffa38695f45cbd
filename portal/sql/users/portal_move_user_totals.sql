-- Moves the people of an organization that is deleted or restored to or from those of deleted organizations. The lock
-- waits for transactions that are changing its people, and makes later ones wait.
CREATE OR REPLACE FUNCTION portal_move_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM organizations WHERE id = OLD.id FOR UPDATE;
    UPDATE user_totals SET in_deleted_organization = NOT in_deleted_organization WHERE organization_id = OLD.id;
    PERFORM portal_add_to_user_totals(NULL, in_deleted, role, status, has_two_factor, sum(sign * people)::bigint)
    FROM user_totals CROSS JOIN
        (VALUES (OLD.deleted_at IS NOT NULL, -1), (OLD.deleted_at IS NULL, 1)) AS place(in_deleted, sign)
    WHERE organization_id = OLD.id
    GROUP BY in_deleted, role, status, has_two_factor;
    RETURN coalesce(NEW, OLD);
END $$;
REVOKE ALL ON FUNCTION portal_move_user_totals FROM PUBLIC;
