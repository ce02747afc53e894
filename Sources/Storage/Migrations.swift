package import Postgres

/// The schema's history, carried in the binary.
package enum Migrations {
  /// All migrations, oldest first: one entry per file in `sql`, which a test compares with the
  /// folder.
  package static let all: [Migration] = files.compactMap { name, content in
    Migration(fileName: name, sql: content)
  }

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
  ]
}
