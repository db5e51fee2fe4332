# The registry as an object: for services that reach neither the database nor the endpoint, and for more of them than these
# hold. The job exports it after each release when somebody runs it, and on a schedule where `registry_export` has one.

variable "registry_export" {
  description = "When the registry is exported to gs://PROJECT-prompt-registry/registry.json, as cron in UTC such as */5 * * * *; empty: only when the job is run. And the accounts that read it there."
  type        = object({ schedule = string, readers = list(string) })
  default     = { schedule = "", readers = [] }
}

resource "google_storage_bucket" "registry" {
  name                        = "${var.project}-prompt-registry"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Each export replaces the object; what it was is kept for a day, for whoever replaced it by mistake.
  soft_delete_policy {
    retention_duration_seconds = 0
  }
  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 1
    }
  }
}

# It reads what is there, so that an older state never replaces a later one.
resource "google_storage_bucket_iam_member" "exports" {
  bucket = google_storage_bucket.registry.name
  role   = "roles/storage.objectUser"
  member = google_service_account.runs["registry"].member
}

resource "google_storage_bucket_iam_member" "reads_registry" {
  for_each = toset(var.registry_export.readers)
  bucket   = google_storage_bucket.registry.name
  role     = "roles/storage.objectViewer"
  member   = "serviceAccount:${each.key}"
}

resource "google_cloud_scheduler_job" "registry_export" {
  count = var.deployed && var.registry_export.schedule != "" ? 1 : 0

  name      = "prompt-worker-registry-export"
  region    = var.region
  schedule  = var.registry_export.schedule
  time_zone = "Etc/UTC"

  retry_config {
    retry_count          = 5
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.job["registry-export"].id}:run"
    oauth_token {
      service_account_email = google_service_account.scheduler.email
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "runs_export" {
  count = var.deployed ? 1 : 0

  name     = google_cloud_run_v2_job.job["registry-export"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}
