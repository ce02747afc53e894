-- How each store's API answers: one row per installation that has a token, looked at on a clock of our own.
--
-- Lock order: as in 0001. The trigger at the end runs while an installation's row and the change counter are held, and
-- takes the row of this table; so nobody may wait for either of them while holding one.

CREATE TABLE store_health (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  generation bigint NOT NULL,                    -- of the token that was looked with; another token begins anew
  health text,                                   -- null: unknown yet
  detail text,                                   -- what the last look was, a fixed word
  since_at timestamptz,                          -- the first look that showed this health
  checked_at timestamptz,                        -- the last look
  pending text,                                  -- another health than this one, which a second look has to confirm
  pending_since timestamptz,
  delay_seconds integer NOT NULL DEFAULT 0,      -- the pause before the next look, while it is not the usual one
  next_check_at timestamptz,                     -- null: not looked at, because the installation is not active
  lease_until timestamptz,
  CONSTRAINT store_health_pkey PRIMARY KEY (app_id, store_hash),
  CONSTRAINT store_health_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash),
  CONSTRAINT store_health_known CHECK (
    health IN ('healthy', 'revoked', 'scope', 'suspended', 'plan', 'rate', 'network')
    AND pending IN ('healthy', 'revoked', 'scope', 'suspended', 'plan', 'rate', 'network')),
  CONSTRAINT store_health_dated CHECK (
    (health IS NULL) = (since_at IS NULL) AND (pending IS NULL) = (pending_since IS NULL))
);
-- For: looks that are due.
CREATE INDEX store_health_due ON store_health (next_check_at) WHERE next_check_at IS NOT NULL;

-- An installation that begins to be active is looked at within the minute; one that ends to be is left alone; what was
-- known of a token is forgotten with it.
CREATE FUNCTION follow_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'uninstalled' THEN
    DELETE FROM store_health WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash;
    RETURN NULL;
  END IF;
  INSERT INTO store_health AS known (app_id, store_hash, generation, next_check_at)
  VALUES (NEW.app_id, NEW.store_hash, NEW.generation,
    CASE WHEN NEW.state = 'active' THEN now() + random() * interval '1 minute' END)
  ON CONFLICT (app_id, store_hash) DO UPDATE
    SET generation = excluded.generation, next_check_at = excluded.next_check_at, lease_until = NULL, delay_seconds = 0,
      health = CASE WHEN known.generation = excluded.generation THEN known.health END,
      detail = CASE WHEN known.generation = excluded.generation THEN known.detail END,
      since_at = CASE WHEN known.generation = excluded.generation THEN known.since_at END,
      checked_at = CASE WHEN known.generation = excluded.generation THEN known.checked_at END,
      pending = NULL, pending_since = NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER installations_begin_health AFTER INSERT ON installations
  FOR EACH ROW EXECUTE FUNCTION follow_health();
CREATE TRIGGER installations_follow_health AFTER UPDATE OF state, generation ON installations
  FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.generation <> NEW.generation)
  EXECUTE FUNCTION follow_health();

-- Stores that are there already: looked at within an hour.
INSERT INTO store_health (app_id, store_hash, generation, next_check_at)
  SELECT app_id, store_hash, generation, CASE WHEN state = 'active' THEN now() + random() * interval '1 hour' END
  FROM installations WHERE state <> 'uninstalled';
