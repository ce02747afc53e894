package import Postgres

/// The schema's history, carried in the binary.
package enum Migrations {
  /// All migrations, oldest first: one entry per file in `sql`, which a test compares with the
  /// folder.
  package static let all: [Migration] = files.compactMap { name, content in
    Migration(fileName: name, sql: content, formerChecksums: formerChecksums[name] ?? [])
  }

  /// What a file was when a database may have been migrated with it.
  ///
  /// 0002 once lacked the feed's first epoch, which 0008 makes up for.
  private static let formerChecksums = [
    "0002_events.sql": ["6cf524c7566274a33ebb9113d243bd9f679a9eb688389351740bd08ef65ecde3"]
  ]

  /// Name and content of each file.
  ///
  /// SwiftPM puts `_` in the place of a leading digit.
  static let files: [(name: String, content: [UInt8])] = [
    ("0001_installations.sql", PackageResources._001_installations_sql),
    ("0002_events.sql", PackageResources._002_events_sql),
    ("0003_webhooks.sql", PackageResources._003_webhooks_sql),
    ("0004_subscriptions.sql", PackageResources._004_subscriptions_sql),
    ("0005_usage.sql", PackageResources._005_usage_sql),
    ("0006_repairs.sql", PackageResources._006_repairs_sql),
    ("0007_partition_days.sql", PackageResources._007_partition_days_sql),
    ("0008_first_epoch.sql", PackageResources._008_first_epoch_sql),
    ("0009_keep_deliveries.sql", PackageResources._009_keep_deliveries_sql),
    ("0010_store_health.sql", PackageResources._010_store_health_sql),
    ("0011_flow.sql", PackageResources._011_flow_sql),
    ("0012_call_failures.sql", PackageResources._012_call_failures_sql),
    ("0013_keyed_writes.sql", PackageResources._013_keyed_writes_sql),
    ("0014_store_names.sql", PackageResources._014_store_names_sql),
  ]
}
