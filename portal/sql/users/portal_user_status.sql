-- The status of a person, named like the tabs of the list of people.
CREATE OR REPLACE FUNCTION portal_user_status(
    is_active boolean, invited_at timestamptz, accepted_at timestamptz, deleted_at timestamptz
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
    WHEN NOT is_active THEN 'deactivated'
    WHEN invited_at IS NOT NULL AND accepted_at IS NULL THEN 'invited'
    ELSE 'active' END;
REVOKE ALL ON FUNCTION portal_user_status FROM PUBLIC;
