-- The number of events that are not sealed yet, and the time of the oldest.
CREATE OR REPLACE FUNCTION portal_unsealed_activity()
RETURNS TABLE (events bigint, since timestamptz) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*), min(a.at) FROM activity a
    WHERE NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id);
END;
REVOKE ALL ON FUNCTION portal_unsealed_activity FROM PUBLIC;
