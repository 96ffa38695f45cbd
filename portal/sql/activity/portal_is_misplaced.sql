-- Whether an event claims to be older than the seal `before`, which doesn't contain it: a seal contains everything that
-- its snapshot saw, and later transactions have greater ids. A clock set back by less than an hour is tolerated.
CREATE OR REPLACE FUNCTION portal_is_misplaced(a activity, before activity_seals)
RETURNS boolean LANGUAGE sql STABLE
RETURN pg_visible_in_snapshot(a.xid, before.snapshot)
    OR a.xid = before.xid  -- the transaction of the seal, which wrote no event
    OR a.xid > before.xid AND (a.id <= before.last_id OR a.at < before.seen_at - interval '1 hour')
    OR a.xid < before.xid AND EXISTS (  -- a late commit, which began after the seals with lower ids
        SELECT FROM activity_seals s WHERE s.id < before.id AND s.xid <= a.xid
            AND (s.xid = a.xid OR a.id <= s.last_id OR a.at < s.seen_at - interval '1 hour'));
REVOKE ALL ON FUNCTION portal_is_misplaced FROM PUBLIC;
