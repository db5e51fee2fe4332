# The same consumers as services that Pub/Sub pushes to. They cost nothing while nothing is pushed.

locals {
  pushed = { for name, consumer in local.consumers : name => consumer if name != "dead-letters" }
  # By consumer: the service that its subscription pushes to, or none.
  push_endpoints = {
    for name in ["executions", "guardrails", "feedback"] :
    name => local.pulled || !local.deployed ? [] : [google_cloud_run_v2_service.push[name].uri]
  }
}

resource "google_cloud_run_v2_service" "push" {
  for_each = local.deployed ? local.pushed : {}

  name     = "prompt-worker-push-${each.key}"
  location = var.region
  # Pub/Sub of this project counts as internal. Cloud Run's own check of the caller would remove the signature from
  # the token, and the service could no longer check it.
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  invoker_iam_disabled = true

  template {
    service_account                  = google_service_account.runs[each.key].email
    max_instance_request_concurrency = 500
    timeout                          = "60s"

    scaling {
      min_instance_count = 0
      max_instance_count = var.instances[each.key].max
    }

    containers {
      name  = "worker"
      image = var.image
      args  = ["serve", each.key]

      ports {
        container_port = 8080
      }
      resources {
        limits = { cpu = "1", memory = each.value.memory }
      }

      dynamic "env" {
        for_each = local.settings.push
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
