-- Days that are over are found by text.
--
-- A plan may look at the name of every table before it asks whose partition it is; the end of pg_toast_16385 is no date,
-- and the cast of it ended the whole retention.

-- As in 0002, but for the comparison.
CREATE OR REPLACE FUNCTION drop_event_days(keep_events integer, keep_deliveries integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '500ms' AS $$
DECLARE
  found record;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(1684109683);
  FOR found IN
    SELECT child.relname AS name, parent.relname AS parent, right(child.relname, 8) AS day
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE inhparent IN ('deliveries'::regclass, 'events'::regclass)
      AND right(child.relname, 8) < to_char((now() AT TIME ZONE 'UTC')::date
        - greatest(1, CASE parent.relname WHEN 'events' THEN keep_events ELSE keep_deliveries END), 'YYYYMMDD')
    ORDER BY right(child.relname, 8)
  LOOP
    EXECUTE format('DROP TABLE %I', found.name);
    IF found.parent = 'events' THEN
      DELETE FROM event_days WHERE event_days.day = found.day::date;
    END IF;
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;

-- As in 0005, but for the comparison.
CREATE OR REPLACE FUNCTION drop_usage_days(keep integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '500ms' AS $$
DECLARE
  found text;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(1970496868);
  FOR found IN
    SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = 'usage_minutes'::regclass
      AND right(relname, 8) < to_char((now() AT TIME ZONE 'UTC')::date - greatest(1, keep), 'YYYYMMDD')
    ORDER BY right(relname, 8)
  LOOP
    EXECUTE format('DROP TABLE %I', found);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;

-- Replacing a function forgets this.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION drop_event_days(integer, integer) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION drop_usage_days(integer) SET search_path = %I, pg_temp', current_schema());
END
$$;
