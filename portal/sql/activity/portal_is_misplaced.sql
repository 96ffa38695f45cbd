-- Whether an event that the seal `before` doesn't contain claims to have been there by then: what its snapshot saw is
-- complete, and what began later has a greater number. The clock may have been set back by less than an hour.
CREATE OR REPLACE FUNCTION portal_is_misplaced(a activity, before activity_seals)
RETURNS boolean LANGUAGE sql STABLE
RETURN pg_visible_in_snapshot(a.xid, before.snapshot)
    OR a.xid = before.xid  -- that transaction sealed, and wrote no event
    OR a.xid > before.xid AND (a.id <= before.last_id OR a.at < before.seen_at - interval '1 hour')
    OR a.xid < before.xid AND EXISTS (  -- it committed late: then it began after the seals with lower numbers
        SELECT FROM activity_seals s WHERE s.id < before.id AND s.xid <= a.xid
            AND (s.xid = a.xid OR a.id <= s.last_id OR a.at < s.seen_at - interval '1 hour'));
REVOKE ALL ON FUNCTION portal_is_misplaced FROM PUBLIC;
