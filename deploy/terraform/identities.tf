# Who may do what: an account for each thing that runs, with roles on single resources wherever Google has them.

locals {
  secret_readers = merge([
    for account, secrets in local.secrets : { for secret in values(secrets) : "${account} ${secret}" => [account, secret] }
  ]...)
}

resource "google_service_account" "runs" {
  for_each   = local.secrets
  account_id = "prompt-worker-${each.key}"
}

# Terraform makes the secrets and never sees their values: README.md adds them.
resource "google_secret_manager_secret" "secret" {
  for_each  = toset(flatten([for secrets in local.secrets : values(secrets)]))
  secret_id = "prompt-worker-${each.key}"
  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each  = local.secret_readers
  secret_id = google_secret_manager_secret.secret[each.value[1]].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runs[each.value[0]].member
}

# Consumers pull from their own subscription ...
resource "google_pubsub_subscription_iam_member" "consumer" {
  for_each = {
    executions   = google_pubsub_subscription.executions.name
    guardrails   = google_pubsub_subscription.guardrails.name
    dead-letters = google_pubsub_subscription.dead_letters.name
  }
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.runs[each.key].member
}

# ... and publish what they reject, and what a guardrail found.
resource "google_pubsub_topic_iam_member" "rejects" {
  for_each = toset(["executions", "guardrails", "dead-letters"])
  topic    = google_pubsub_topic.dead_letters.name
  role     = "roles/pubsub.publisher"
  member   = google_service_account.runs[each.key].member
}

resource "google_pubsub_topic_iam_member" "announces" {
  topic  = google_pubsub_topic.violations.name
  role   = "roles/pubsub.publisher"
  member = google_service_account.runs["guardrails"].member
}

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = toset(var.publishers)
  topic    = google_pubsub_topic.executions.name
  role     = "roles/pubsub.publisher"
  member   = each.key
}

# The operator's jobs replay, seek, make snapshots and read everything: these are rights of the project.
resource "google_project_iam_member" "operator" {
  project = var.project
  role    = "roles/pubsub.editor"
  member  = google_service_account.runs["operator"].member
}

# What a collector beside a consumer writes.
resource "google_project_iam_member" "collector" {
  for_each = var.collector ? toset(flatten([
    for account in ["executions", "guardrails", "dead-letters"] : [
      for role in ["roles/monitoring.metricWriter", "roles/cloudtrace.agent", "roles/logging.logWriter"] : "${account} ${role}"
    ]
  ])) : toset([])
  project = var.project
  role    = split(" ", each.key)[1]
  member  = google_service_account.runs[split(" ", each.key)[0]].member
}

# Pub/Sub's own account forwards what was delivered 100 times in vain.
resource "google_pubsub_topic_iam_member" "forwards" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "forwards" {
  for_each     = toset([google_pubsub_subscription.executions.name, google_pubsub_subscription.guardrails.name])
  subscription = each.key
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Push requests are signed as this account, which holds no role: the services check the signature themselves.
resource "google_service_account" "push" {
  account_id = "prompt-worker-push"
}

resource "google_service_account_iam_member" "signs_push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

# Cloud Build pushes images, and deploys them to run as the accounts above.
resource "google_service_account" "build" {
  account_id = "prompt-worker-build"
}

resource "google_artifact_registry_repository_iam_member" "build" {
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_project_iam_member" "build" {
  for_each = toset(["roles/run.developer", "roles/logging.logWriter", "roles/storage.objectViewer"])
  project  = var.project
  role     = each.key
  member   = google_service_account.build.member
}

resource "google_service_account_iam_member" "build_deploys_as" {
  for_each           = google_service_account.runs
  service_account_id = each.value.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.build.member
}
