# Every event in BigQuery without code, for analysis beyond one database. Its rows hold prompts: grant access with care.

resource "google_bigquery_dataset" "archive" {
  count = var.archive_days > 0 ? 1 : 0

  dataset_id  = "prompt_archive"
  location    = var.region
  description = "Prompt executions as published."
}

resource "google_bigquery_table" "events" {
  count = var.archive_days > 0 ? 1 : 0

  dataset_id               = google_bigquery_dataset.archive[0].dataset_id
  table_id                 = "events"
  description              = "One row a message. Read it through the view executions."
  require_partition_filter = true

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.archive_days * 86400000
  }

  # The columns that a BigQuery subscription with write_metadata fills. As BYTES, data accepts any body: no bad event
  # waits in the subscription, and none becomes a dead letter twice.
  schema = jsonencode([
    { name = "subscription_name", type = "STRING" },
    { name = "message_id", type = "STRING" },
    { name = "publish_time", type = "TIMESTAMP" },
    { name = "data", type = "BYTES" },
    { name = "attributes", type = "STRING" },
  ])
}

resource "google_bigquery_table" "executions" {
  count = var.archive_days > 0 ? 1 : 0

  dataset_id          = google_bigquery_dataset.archive[0].dataset_id
  table_id            = "executions"
  deletion_protection = false

  view {
    use_legacy_sql = false
    query          = <<-SQL
      SELECT publish_time, message_id, SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data), wide_number_mode => 'round') AS event
      FROM `${var.project}.${google_bigquery_table.events[0].dataset_id}.${google_bigquery_table.events[0].table_id}`
    SQL
  }
}

resource "google_pubsub_subscription" "archive" {
  count = var.archive_days > 0 ? 1 : 0

  name                       = "prompt-executions-archive"
  topic                      = google_pubsub_topic.executions.id
  message_retention_duration = "604800s"

  bigquery_config {
    table          = "${var.project}.${google_bigquery_table.events[0].dataset_id}.${google_bigquery_table.events[0].table_id}"
    write_metadata = true
  }
  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "600s"
  }
  depends_on = [google_bigquery_dataset_iam_member.pubsub_agent]
}

resource "google_bigquery_dataset_iam_member" "pubsub_agent" {
  count = var.archive_days > 0 ? 1 : 0

  dataset_id = google_bigquery_dataset.archive[0].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}
