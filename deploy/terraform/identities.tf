# An account for each thing that runs, and the secrets that each reads. What else they may do is in rights.tf.

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

# Push requests are signed as this account, which holds no role: the services check the signature themselves.
resource "google_service_account" "push" {
  account_id = "prompt-worker-push"
}

# Cloud Build pushes images, and deploys them to run as the accounts above.
resource "google_service_account" "build" {
  account_id = "prompt-worker-build"
}
