# The consumers as worker pools. Terraform keeps their shape; cloudbuild.yaml changes the image, and the autoscaler the
# number of instances.

locals {
  deployed = var.image != ""
  pulled   = var.delivery == "pull"

  consumers = {
    executions   = { memory = "512Mi", pulled = local.pulled }
    guardrails   = { memory = "1Gi", pulled = local.pulled }
    feedback     = { memory = "512Mi", pulled = local.pulled }
    dead-letters = { memory = "512Mi", pulled = true }
  }
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
        for_each = local.settings.pool
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = local.secrets[each.key]
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

      # Alive means: no batch in flight has made no progress for a minute. A database that is down is no reason to restart.
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
      for_each = local.collector_images
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
