# What runs once: migrations, their verification, the doctor of the deployment and of each worker, replays; and each
# month, the partitions of months to come.

locals {
  jobs = {
    migrate = { args = ["migrate"], account = "migrations" }
    verify  = { args = ["verify"], account = "migrations" }
    # Each month: only the owner of the tables may.
    partitions = { args = ["partitions"], account = "migrations" }
    doctor     = { args = ["doctor"], account = "operator" }
    # Pub/Sub answers what an account may do to that account alone, so each worker's is asked as itself.
    doctor-executions   = { args = ["doctor", "executions"], account = "executions" }
    doctor-guardrails   = { args = ["doctor", "guardrails"], account = "guardrails" }
    doctor-feedback     = { args = ["doctor", "feedback"], account = "feedback" }
    doctor-dead-letters = { args = ["doctor", "dead-letters"], account = "dead-letters" }
    # After each release, or by the schedule in export.tf.
    registry-export = { args = ["registry", "export", "gs://${var.project}-prompt-registry/registry.json"], account = "registry" }
    # A dry run. To send: --args=dead-letters,replay,--yes,--by=NAME
    replay = { args = ["dead-letters", "replay"], account = "operator" }
  }
}

resource "google_cloud_run_v2_job" "job" {
  for_each = var.deployed ? local.jobs : {}

  name     = "prompt-worker-${each.key}"
  location = var.region
  # A job holds nothing: one that a later version no longer has is simply deleted.
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.runs[each.value.account].email
      max_retries     = 0 # what failed is read first; nothing of a failed migration is kept
      timeout         = "3600s"

      containers {
        name  = "worker"
        image = local.image
        args  = each.value.args

        resources {
          limits = { cpu = "1", memory = "1Gi" }
        }
        dynamic "env" {
          for_each = local.settings.job
          content {
            name  = env.key
            value = env.value
          }
        }
        dynamic "env" {
          for_each = local.secrets[each.value.account]
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.secret[env.value].secret_id
                version = "latest"
              }
            }
          }
        }
      }

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = var.network.name
          subnetwork = var.network.subnetwork
        }
      }
    }
  }

  lifecycle {
    # What gcloud writes when it gives a job an image.
    ignore_changes = [
      template[0].template[0].containers[0].image, template[0].labels, template[0].annotations, client, client_version,
    ]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}

# A few months are missed before anything happens: 24 are made ahead, and an alert comes at 2.
resource "google_cloud_scheduler_job" "partitions" {
  count = var.deployed ? 1 : 0

  name      = "prompt-worker-partitions"
  region    = var.region
  schedule  = "0 4 2 * *"
  time_zone = "Etc/UTC"

  # Of a request that was not accepted; a job that runs and fails is an alert.
  retry_config {
    retry_count          = 5
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.job["partitions"].id}:run"
    oauth_token {
      service_account_email = google_service_account.scheduler.email
    }
  }
}

resource "google_service_account" "scheduler" {
  account_id = "prompt-worker-scheduler"
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  count = var.deployed ? 1 : 0

  name     = google_cloud_run_v2_job.job["partitions"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}
