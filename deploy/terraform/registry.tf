# The registry's endpoint: services read their prompts there instead of from the database, see README.md. It costs nothing
# while nobody reads.

locals {
  # The most that Cloud Run gives to one instance.
  registry_clients = 1000
  # What a service has as PROMPT_REGISTRY, and what its tokens are made for.
  registry_address = "https://prompt-worker-registry-${data.google_project.this.number}.${var.region}.run.app"
}

resource "google_cloud_run_v2_service" "registry" {
  for_each = local.deployed ? toset(["registry"]) : toset([])

  name     = "prompt-worker-${each.key}"
  location = var.region
  # From this project's networks alone. Cloud Run's own check of the caller would remove the signature from the token, and
  # the service, which knows its readers, could no longer check it.
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  invoker_iam_disabled = true

  template {
    service_account                  = google_service_account.runs[each.key].email
    max_instance_request_concurrency = local.registry_clients
    # Longer than a client waits for a change.
    timeout = "90s"

    scaling {
      min_instance_count = var.registry.min
      max_instance_count = var.registry.max
    }

    containers {
      name  = "worker"
      image = var.image
      args  = ["serve", "registry"]

      ports {
        container_port = 8080
      }
      resources {
        limits = { cpu = "1", memory = "512Mi" }
      }

      dynamic "env" {
        for_each = local.settings.registry
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
    ignore_changes = [template[0].containers[0].image, client, client_version]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
