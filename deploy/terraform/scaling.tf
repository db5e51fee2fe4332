# Worker pools do not scale on their own: CREMA, Google's autoscaler made of KEDA's scalers, counts what waits in each
# subscription and sets the number of instances. Cloud Monitoring knows a backlog about two minutes late, so `min` must
# carry ordinary traffic. https://docs.cloud.google.com/run/docs/configuring/workerpools/crema-autoscaling

locals {
  backlogs = { # by consumer: how many waiting messages one instance is to take on
    executions   = { subscription = google_pubsub_subscription.executions.id, messages = 20000 }
    guardrails   = { subscription = google_pubsub_subscription.guardrails.id, messages = 10000 }
    feedback     = { subscription = google_pubsub_subscription.feedback.id, messages = 20000 }
    dead-letters = { subscription = google_pubsub_subscription.dead_letters.id, messages = 10000 }
  }
  scaled = {
    for name, backlog in local.backlogs : name => backlog
    if var.deployed && local.consumers[name].pulled && var.instances[name].min < var.instances[name].max
  }
}

resource "google_parameter_manager_parameter" "scaling" {
  parameter_id = "prompt-worker-scaling"
  format       = "YAML"
}

resource "google_parameter_manager_parameter_version" "scaling" {
  parameter            = google_parameter_manager_parameter.scaling.id
  parameter_version_id = "v${substr(sha256(local.scaling), 0, 12)}" # a version never changes: another content is another one
  parameter_data       = local.scaling

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  scaling = yamlencode({
    apiVersion = "crema/v1"
    kind       = "CremaConfig"
    spec = {
      pollingInterval = 30
      triggerAuthentications = [
        { metadata = { name = "scaler" }, spec = { podIdentity = { provider = "gcp" } } }
      ]
      scaledObjects = [for name, backlog in local.scaled : {
        spec = {
          scaleTargetRef  = { name = "projects/${var.project}/locations/${var.region}/workerpools/prompt-worker-${name}" }
          minReplicaCount = var.instances[name].min
          maxReplicaCount = var.instances[name].max
          triggers = [{
            type = "gcp-pubsub"
            name = name
            metadata = {
              subscriptionName = backlog.subscription
              mode             = "SubscriptionSize"
              value            = tostring(backlog.messages)
            }
            authenticationRef = { name = "scaler" }
          }]
        }
      }]
    }
  })
}

resource "google_service_account" "scaler" {
  account_id = "prompt-worker-scaler"
}

# On the project: backlogs are metrics, which belong to it alone, and the provider cannot grant on a single parameter.
resource "google_project_iam_member" "scaler" {
  for_each = toset(["roles/parametermanager.parameterViewer", "roles/monitoring.viewer"])
  project  = var.project
  role     = each.key
  member   = google_service_account.scaler.member
}

resource "google_cloud_run_v2_worker_pool_iam_member" "scaler" {
  for_each = local.scaled
  name     = google_cloud_run_v2_worker_pool.consumer[each.key].name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.scaler.member
}

resource "google_service_account_iam_member" "scaler_acts_as" {
  for_each           = local.scaled
  service_account_id = google_service_account.runs[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.scaler.member
}

resource "google_cloud_run_v2_service" "scaler" {
  count = length(local.scaled) > 0 ? 1 : 0

  name     = "prompt-worker-scaler"
  location = var.region
  ingress  = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  # It is deleted when nothing scales any more, as with `delivery = "push"`, and holds nothing.
  deletion_protection = false

  template {
    service_account = google_service_account.scaler.email

    scaling { # two would contradict each other
      min_instance_count = 1
      max_instance_count = 1
    }
    containers {
      image          = "us-central1-docker.pkg.dev/cloud-run-oss-images/crema-v1/autoscaler:1.2"
      base_image_uri = "us-central1-docker.pkg.dev/serverless-runtimes/google-24/runtimes/java25"
      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        cpu_idle          = false
        startup_cpu_boost = true
      }
      env {
        name  = "CREMA_CONFIG"
        value = google_parameter_manager_parameter_version.scaling.name
      }
    }
  }
  depends_on = [google_project_iam_member.scaler]
}
