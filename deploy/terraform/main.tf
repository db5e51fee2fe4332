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
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "prompt-worker"
  location      = var.region
  format        = "DOCKER"

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s" # 30 days
    }
  }
  cleanup_policies {
    id     = "keep-deployed"
    action = "KEEP"
    condition {
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
