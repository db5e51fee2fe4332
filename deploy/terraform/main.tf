# One project per environment; names are the same in each. environments/*.tfvars hold all that differs.
terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
  backend "gcs" {
    prefix = "prompt-worker" # the bucket: terraform init -backend-config="bucket=$PROJECT-terraform"
  }
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = { app = "prompt-worker", environment = var.environment }
}

data "google_project" "this" {}

locals {
  # Pub/Sub itself: forwards dead letters, writes the archive, signs push requests.
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"

  # What begins to run has it; cloudbuild.yaml moves the tag, and gives what runs each new image.
  image = "${var.region}-docker.pkg.dev/${var.project}/prompt-worker/prompt-worker:deployed"

  # Of what holds events that nobody has read yet.
  deletion_policy = var.protected ? "PREVENT" : "DELETE"
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "prompt-worker"
  location      = var.region
  format        = "DOCKER"

  cleanup_policy_dry_run = false
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "2592000s" # 30 days
    }
  }
  cleanup_policies {
    id     = "keep-deployed"
    action = "KEEP"
    condition {
      tag_state    = "TAGGED"
      tag_prefixes = ["deployed", "previous"] # what runs, and what a rollback needs
    }
  }
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
}

module "monitoring" {
  source = "../monitoring"

  project               = var.project
  environment           = var.environment
  notification_channels = var.notification_channels
}

# Each plan warns: without a channel, an alert is only a line in the console.
check "alerts_reach_somebody" {
  assert {
    condition     = var.environment != "production" || length(var.notification_channels) > 0
    error_message = "notification_channels is empty: alerts of production notify nobody. README.md, \"Operate\", says how to make one."
  }
}
