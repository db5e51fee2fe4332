# The consumers, and what looks at experiments, as worker pools. Terraform keeps their shape; cloudbuild.yaml changes the
# image, and the autoscaler the number of instances of the pools that scale.

locals {
  pulled = var.delivery == "pull"

  consumers = {
    executions   = { memory = "512Mi", pulled = local.pulled }
    guardrails   = { memory = "1Gi", pulled = local.pulled }
    feedback     = { memory = "512Mi", pulled = local.pulled }
    dead-letters = { memory = "512Mi", pulled = true }
    experiments  = { memory = "512Mi", pulled = true }
  }
}

resource "google_cloud_run_v2_worker_pool" "consumer" {
  for_each = var.deployed ? local.consumers : {}

  name     = "prompt-worker-${each.key}"
  location = var.region
  # Nothing would consume events without it, so deleting it must be meant.
  deletion_protection = var.protected

  # Where the autoscaler sets the number, Terraform gives none, and Google keeps it.
  dynamic "scaling" {
    for_each = contains(keys(local.scaled), each.key) ? [] : [each.value.pulled ? var.instances[each.key].min : 0]
    content {
      manual_instance_count = scaling.value
    }
  }

  template {
    service_account = google_service_account.runs[each.key].email

    containers {
      name  = "worker"
      image = local.image
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
      for_each = local.collectors
      content {
        name  = "collector"
        image = containers.value.image
        args  = ["--config=env:COLLECTOR_CONFIG"]
        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }
        env {
          name  = "COLLECTOR_CONFIG"
          value = containers.value.config
        }
        # A configuration that it does not accept fails the deployment, instead of silently sending no metric.
        startup_probe {
          period_seconds    = 5
          timeout_seconds   = 3
          failure_threshold = 12
          http_get {
            path = "/"
            port = 13133
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

  lifecycle {
    # What gcloud writes when it gives a pool an image.
    ignore_changes = [
      template[0].containers[0].image, template[0].labels, template[0].annotations, client, client_version,
    ]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
