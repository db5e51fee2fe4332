# Every event in BigQuery without code, for analysis beyond one database. Its rows hold prompts: grant access with care.
# Dataset and tables are always there and cost nothing while they are empty; `archive` is whether anything is written to
# them. So switching it off removes no row, and is not refused half-way for the rows that are there.

resource "google_bigquery_dataset" "archive" {
  dataset_id                 = "prompt_archive"
  location                   = var.region
  description                = "Prompt executions as published."
  delete_contents_on_destroy = !var.protected
}

resource "google_bigquery_table" "events" {
  dataset_id               = google_bigquery_dataset.archive.dataset_id
  table_id                 = "events"
  deletion_protection      = var.protected
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
  dataset_id          = google_bigquery_dataset.archive.dataset_id
  table_id            = "executions"
  deletion_protection = false

  view {
    use_legacy_sql = false
    query          = <<-SQL
      SELECT publish_time, message_id, SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data), wide_number_mode => 'round') AS event
      FROM `${var.project}.${google_bigquery_table.events.dataset_id}.${google_bigquery_table.events.table_id}`
    SQL
  }
}

resource "google_pubsub_subscription" "archive" {
  count = var.archive ? 1 : 0

  name                       = "prompt-executions-archive"
  topic                      = google_pubsub_topic.executions.id
  message_retention_duration = "604800s"

  bigquery_config {
    table          = "${var.project}.${google_bigquery_table.events.dataset_id}.${google_bigquery_table.events.table_id}"
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
  count = var.archive ? 1 : 0

  dataset_id = google_bigquery_dataset.archive.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}
