# The consumers as worker pools. Terraform keeps their shape; cloudbuild.yaml changes the image, and the autoscaler the
# number of instances.

locals {
  deployed = var.image != ""
  pulled   = var.delivery == "pull"

  consumers = {
    executions   = { memory = "512Mi", pulled = local.pulled, secrets = { DATABASE_URL = "database-url-executions" } }
    guardrails   = { memory = "1Gi", pulled = local.pulled, secrets = { DATABASE_URL = "database-url-guardrails", PROMPT_WORKER_HMAC_KEY = "hmac-key" } }
    dead-letters = { memory = "512Mi", pulled = true, secrets = { DATABASE_URL = "database-url-dead-letters" } }
  }

  settings = merge(
    { PUBSUB_PROJECT_ID = var.project },
    var.collector ? { OTEL_EXPORTER_OTLP_ENDPOINT = "http://localhost:4318" } : {},
  )
  collector_image = "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:0.156.0"
}

resource "google_cloud_run_v2_worker_pool" "consumer" {
  for_each = local.deployed ? local.consumers : {}

  name     = "prompt-worker-${each.key}"
  location = var.region

  scaling {
    manual_instance_count = each.value.pulled ? var.instances[each.key].min : 0
  }

  template {
    service_account = google_service_account.runs[each.key].email

    containers {
      name  = "worker"
      image = var.image
      args  = ["run", each.key]

      resources {
        limits = { cpu = "1", memory = each.value.memory }
      }

      dynamic "env" {
        for_each = merge(local.settings, { PROMPT_WORKER_PROBE_PORT = "8080" })
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = each.value.secrets
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

      # Alive means: no batch has been in hand for a minute without progress. A database that is away is no reason to restart.
      startup_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 6
        http_get {
          path = "/healthz"
          port = 8080
        }
      }
      liveness_probe {
        period_seconds    = 15
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/healthz"
          port = 8080
        }
      }
    }

    dynamic "containers" {
      for_each = var.collector ? [local.collector_image] : []
      content {
        name  = "collector"
        image = containers.value
        resources {
          limits = { cpu = "1", memory = "512Mi" }
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

  lifecycle {
    ignore_changes = [template[0].containers[0].image, scaling, client, client_version]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
