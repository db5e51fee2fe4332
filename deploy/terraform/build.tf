# What Cloud Build may do: read its own source, push images, and deploy to what Terraform made.

# Where `gcloud builds submit` puts the source. The default is a bucket that Google makes, and reading every bucket of the
# project, Terraform's state among them, would be the easy way to reach it.
resource "google_storage_bucket" "source" {
  name                        = "${var.project}-prompt-worker-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # nothing in it is needed once its build has ended

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 7 # days
    }
  }
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

# Pushing moves a tag; deleting one, as `gcloud artifacts docker tags add` does first, needs more than this.
resource "google_artifact_registry_repository_iam_member" "build" {
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_cloud_run_v2_worker_pool_iam_member" "build" {
  for_each = google_cloud_run_v2_worker_pool.consumer
  name     = each.value.name
  location = each.value.location
  role     = "roles/run.developer"
  member   = google_service_account.build.member
}

resource "google_cloud_run_v2_service_iam_member" "build" {
  for_each = google_cloud_run_v2_service.service
  name     = each.value.name
  location = each.value.location
  role     = "roles/run.developer"
  member   = google_service_account.build.member
}

resource "google_cloud_run_v2_job_iam_member" "build" {
  for_each = google_cloud_run_v2_job.job
  name     = each.value.name
  location = each.value.location
  role     = "roles/run.developer"
  member   = google_service_account.build.member
}

resource "google_service_account_iam_member" "build_deploys_as" {
  for_each           = google_service_account.runs
  service_account_id = each.value.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.build.member
}

# On the project: operations and executions, which gcloud asks about while it waits, have no policy of their own.
resource "google_project_iam_custom_role" "waits" {
  role_id     = "promptWorkerWaits"
  title       = "Waiting for deployments and jobs of Cloud Run"
  permissions = ["run.executions.get", "run.operations.get"]
}

resource "google_project_iam_member" "build_waits" {
  project = var.project
  role    = google_project_iam_custom_role.waits.name
  member  = google_service_account.build.member
}

# On the project: logs belong to it alone.
resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}
