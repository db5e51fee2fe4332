# What runs once: migrations, their verification, the doctor of the deployment and of each worker, replays.

locals {
  jobs = {
    migrate = { args = ["migrate"], account = "migrations" }
    verify  = { args = ["verify"], account = "migrations" }
    doctor  = { args = ["doctor"], account = "operator" }
    # Pub/Sub answers what an account may do to that account alone, so each worker's is asked as itself.
    doctor-executions   = { args = ["doctor", "executions"], account = "executions" }
    doctor-guardrails   = { args = ["doctor", "guardrails"], account = "guardrails" }
    doctor-dead-letters = { args = ["doctor", "dead-letters"], account = "dead-letters" }
    # A dry run. To send: --args=dead-letters,replay,--yes,--by=NAME
    replay = { args = ["dead-letters", "replay"], account = "operator" }
  }
}

resource "google_cloud_run_v2_job" "job" {
  for_each = local.deployed ? local.jobs : {}

  name     = "prompt-worker-${each.key}"
  location = var.region

  template {
    template {
      service_account = google_service_account.runs[each.value.account].email
      max_retries     = 0 # what failed is read first; nothing of a failed migration is kept
      timeout         = "3600s"

      containers {
        name  = "worker"
        image = var.image
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
    ignore_changes = [template[0].template[0].containers[0].image, client, client_version]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
