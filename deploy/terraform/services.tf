# What answers requests: Pub/Sub's (push.tf) and those of services that read prompts (registry.tf).

resource "google_cloud_run_v2_service" "service" {
  for_each = var.deployed ? merge(local.pushed, local.registry) : {}

  name     = "prompt-worker-${each.key}"
  location = var.region
  # From this project's networks alone; its Pub/Sub counts as one of them. Cloud Run's own check of the caller would remove
  # the signature from the token, and the service, which knows who may call it, could no longer check it.
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  invoker_iam_disabled = true
  deletion_protection  = var.protected

  template {
    service_account                  = google_service_account.runs[each.value.account].email
    max_instance_request_concurrency = each.value.concurrency
    timeout                          = each.value.timeout

    scaling {
      min_instance_count = each.value.min
      max_instance_count = each.value.max
    }

    containers {
      name  = "worker"
      image = local.image
      args  = ["serve", each.value.account]

      ports {
        container_port = 8080
      }
      resources {
        limits   = { cpu = "1", memory = each.value.memory }
        cpu_idle = each.value.cpu_idle
      }

      dynamic "env" {
        for_each = local.settings[each.value.settings]
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
          limits   = { cpu = "1", memory = "512Mi" }
          cpu_idle = each.value.cpu_idle
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
    # What gcloud writes when it gives a service an image.
    ignore_changes = [
      template[0].containers[0].image, template[0].labels, template[0].annotations, client, client_version,
    ]
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
