# Who may do what: each account holds the roles that its code uses, on the topics and subscriptions that it uses them on.
# A role on the whole project says why. tests/unit/deploy/test_deploy_rights.py lists them all: a wider one fails it.

locals {
  topics = {
    executions   = google_pubsub_topic.executions.name
    feedback     = google_pubsub_topic.feedback.name
    dead_letters = google_pubsub_topic.dead_letters.name
    violations   = google_pubsub_topic.violations.name
  }
  subscriptions = {
    executions   = google_pubsub_subscription.executions.name
    guardrails   = google_pubsub_subscription.guardrails.name
    feedback     = google_pubsub_subscription.feedback.name
    dead_letters = google_pubsub_subscription.dead_letters.name
  }

  # Account, role of Pub/Sub, topic.
  topic_rights = [
    # A consumer publishes what it rejects, and what a guardrail found; the store of dead letters publishes nothing.
    ["executions", "publisher", "dead_letters"],
    ["guardrails", "publisher", "dead_letters"],
    ["guardrails", "publisher", "violations"],
    ["feedback", "publisher", "dead_letters"],
    # A replay publishes, and the doctor compares topics with what is declared.
    ["operator", "publisher", "executions"],
    ["operator", "publisher", "feedback"],
    ["operator", "viewer", "executions"],
    ["operator", "viewer", "feedback"],
    ["operator", "viewer", "dead_letters"],
    ["operator", "viewer", "violations"],
  ]
  # Account, role of Pub/Sub, subscription.
  subscription_rights = [
    # A consumer pulls from its own. Where Pub/Sub pushes, the pool that is switched off keeps the right.
    ["executions", "subscriber", "executions"],
    ["guardrails", "subscriber", "guardrails"],
    ["feedback", "subscriber", "feedback"],
    ["dead-letters", "subscriber", "dead_letters"],
    # Pub/Sub allows a seek or a snapshot to whoever may consume the subscription.
    ["operator", "subscriber", "executions"],
    ["operator", "subscriber", "guardrails"],
    ["operator", "subscriber", "feedback"],
    ["operator", "subscriber", "dead_letters"],
    ["operator", "viewer", "executions"],
    ["operator", "viewer", "guardrails"],
    ["operator", "viewer", "feedback"],
    ["operator", "viewer", "dead_letters"],
  ]
  # Account, role. On the project, since metrics and traces belong to it alone: what a collector beside a program writes.
  collector_rights = [
    ["executions", "roles/monitoring.metricWriter"],
    ["executions", "roles/cloudtrace.agent"],
    ["guardrails", "roles/monitoring.metricWriter"],
    ["guardrails", "roles/cloudtrace.agent"],
    ["feedback", "roles/monitoring.metricWriter"],
    ["feedback", "roles/cloudtrace.agent"],
    ["dead-letters", "roles/monitoring.metricWriter"],
    ["dead-letters", "roles/cloudtrace.agent"],
    ["experiments", "roles/monitoring.metricWriter"],
    ["experiments", "roles/cloudtrace.agent"],
    ["registry", "roles/monitoring.metricWriter"],
    ["registry", "roles/cloudtrace.agent"],
  ]
}

resource "google_pubsub_topic_iam_member" "runs" {
  for_each = { for right in local.topic_rights : join(" ", right) => right }
  topic    = local.topics[each.value[2]]
  role     = "roles/pubsub.${each.value[1]}"
  member   = google_service_account.runs[each.value[0]].member
}

resource "google_pubsub_subscription_iam_member" "runs" {
  for_each     = { for right in local.subscription_rights : join(" ", right) => right }
  subscription = local.subscriptions[each.value[2]]
  role         = "roles/pubsub.${each.value[1]}"
  member       = google_service_account.runs[each.value[0]].member
}

resource "google_project_iam_member" "collector" {
  for_each = { for right in local.collector_rights : join(" ", right) => right if var.collector }
  project  = var.project
  role     = each.value[1]
  member   = google_service_account.runs[each.value[0]].member
}

# On the project: a snapshot belongs to it, and has no policy before it exists. Google's own roles with the right to make
# one, editor and admin, would also allow to delete every topic.
resource "google_project_iam_custom_role" "snapshots" {
  role_id = "promptWorkerSnapshots"
  title   = "Snapshots of prompt-worker's subscriptions"
  permissions = [
    "pubsub.snapshots.create", "pubsub.snapshots.delete", "pubsub.snapshots.list", "pubsub.snapshots.seek",
  ]
}

resource "google_project_iam_member" "operator" {
  project = var.project
  role    = google_project_iam_custom_role.snapshots.name
  member  = google_service_account.runs["operator"].member
}

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = toset(var.publishers)
  topic    = google_pubsub_topic.executions.name
  role     = "roles/pubsub.publisher"
  member   = each.key
}

resource "google_pubsub_topic_iam_member" "publishes_feedback" {
  for_each = toset(var.publishers)
  topic    = google_pubsub_topic.feedback.name
  role     = "roles/pubsub.publisher"
  member   = each.key
}

# Pub/Sub's own account forwards what was delivered 100 times in vain ...
resource "google_pubsub_topic_iam_member" "forwards" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "forwards" {
  for_each     = toset([google_pubsub_subscription.executions.name, google_pubsub_subscription.guardrails.name, google_pubsub_subscription.feedback.name])
  subscription = each.key
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# ... and signs push requests as the account that holds no role.
resource "google_service_account_iam_member" "signs_push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}
