-- Sets who changed a row and when, and counts versions. An actor is always recorded, regardless of the statement;
-- without an actor, a program may set the columns itself. A migration that rewrites rows with the same values
-- (portal.rewriting) changes none of these; tenants can't use that.
CREATE OR REPLACE FUNCTION portal_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE actor uuid := nullif(current_setting('portal.actor_id', true), '')::uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('portal.rewriting', true) = 'on' AND current_user <> 'portal_tenant' THEN
        RETURN NEW;
    END IF;
    NEW.updated_at := clock_timestamp();
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
        NEW.created_by := coalesce(actor, NEW.created_by);
        NEW.updated_by := coalesce(actor, NEW.updated_by, NEW.created_by);
        NEW.deleted_by := CASE WHEN NEW.deleted_at IS NOT NULL THEN coalesce(actor, NEW.deleted_by) END;
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    NEW.updated_by := coalesce(actor, nullif(NEW.updated_by, OLD.updated_by));
    NEW.deleted_by := CASE
        WHEN NEW.deleted_at IS NULL THEN NULL
        WHEN OLD.deleted_at IS NULL THEN coalesce(actor, NEW.updated_by)
        ELSE OLD.deleted_by END;
    RETURN NEW;
END $$;
