-- What stores call themselves, so that operators find them by it: read from each store's own API where its scopes allow.
--
-- Lock order: as in 0010. The trigger at the end runs while an installation's row and the change counter are held, and
-- takes the row of this table; so nobody may wait for either of them while holding one.

CREATE TABLE store_names (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  name text,                                     -- null: not read yet
  domain text,
  -- As they are looked for: in small letters, which the service makes, because lower() knows as many letters as the
  -- database's locale; a domain without its www.
  name_key text,
  domain_key text,
  read_at timestamptz,
  next_read_at timestamptz,                      -- null: not asked by the clock, because the installation is not active
  lease_until timestamptz,
  CONSTRAINT store_names_pkey PRIMARY KEY (app_id, store_hash),
  CONSTRAINT store_names_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash)
);
-- For: names and domains that begin with a text.
CREATE INDEX store_names_by_name ON store_names (name_key text_pattern_ops);
CREATE INDEX store_names_by_domain ON store_names (domain_key text_pattern_ops);
-- For: stores that are due to be asked.
CREATE INDEX store_names_due ON store_names (next_read_at) WHERE next_read_at IS NOT NULL;

-- An installation that begins to be active, or gets a token, is asked at once; one that ends to be is left alone. What
-- is known stays until the store's data are deleted.
CREATE FUNCTION follow_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO store_names AS known (app_id, store_hash, next_read_at)
  VALUES (NEW.app_id, NEW.store_hash, CASE WHEN NEW.state = 'active' THEN now() END)
  ON CONFLICT (app_id, store_hash) DO UPDATE SET next_read_at = excluded.next_read_at, lease_until = NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER installations_begin_name AFTER INSERT ON installations
  FOR EACH ROW EXECUTE FUNCTION follow_name();
CREATE TRIGGER installations_follow_name AFTER UPDATE OF state, generation ON installations
  FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.generation <> NEW.generation)
  EXECUTE FUNCTION follow_name();

-- Stores that are there already: asked within a day.
INSERT INTO store_names (app_id, store_hash, next_read_at)
  SELECT app_id, store_hash, CASE WHEN state = 'active' THEN now() + random() * interval '1 day' END
  FROM installations;
