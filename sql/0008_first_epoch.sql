-- The feed's first epoch is there before the first event, also in a database that was migrated before 0002 said so.

INSERT INTO feed_epochs (epoch, begins_after) VALUES (1, 0) ON CONFLICT (epoch) DO NOTHING;
