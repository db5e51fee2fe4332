# As worker/prompt_worker/platform/pubsub/topology.py declares them; tests/unit/deploy holds both equal.
# `prompt-worker topics` then finds nothing to do.

resource "google_pubsub_topic" "executions" {
  name                       = "prompt-executions"
  message_retention_duration = "604800s" # 7 days
  deletion_policy            = local.deletion_policy
}

resource "google_pubsub_topic" "feedback" {
  name                       = "prompt-feedback"
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy
}

resource "google_pubsub_topic" "dead_letters" {
  name                       = "prompt-executions-dead-letter"
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy
}

resource "google_pubsub_topic" "violations" {
  name                       = "guardrail-violations"
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy
}

resource "google_pubsub_subscription" "executions" {
  name                       = "prompt-executions-writer"
  topic                      = google_pubsub_topic.executions.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy

  expiration_policy {
    ttl = "" # never
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  # A backstop: the workers dead-letter on their own, with a reason. Not where Pub/Sub pushes: each refused request is an
  # attempt, so a database that is down for 1.5 hours would send healthy events to the dead letters.
  dynamic "dead_letter_policy" {
    for_each = local.pulled ? [google_pubsub_topic.dead_letters.id] : []
    content {
      dead_letter_topic     = dead_letter_policy.value
      max_delivery_attempts = 100
    }
  }
  dynamic "push_config" {
    for_each = local.push_endpoints.executions
    content {
      push_endpoint = "${push_config.value}/push/executions"
      oidc_token {
        service_account_email = google_service_account.push.email
        audience              = local.push_audience
      }
    }
  }
}

resource "google_pubsub_subscription" "guardrails" {
  name                       = "prompt-executions-guardrails"
  topic                      = google_pubsub_topic.executions.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy

  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  dynamic "dead_letter_policy" {
    for_each = local.pulled ? [google_pubsub_topic.dead_letters.id] : []
    content {
      dead_letter_topic     = dead_letter_policy.value
      max_delivery_attempts = 100
    }
  }
  dynamic "push_config" {
    for_each = local.push_endpoints.guardrails
    content {
      push_endpoint = "${push_config.value}/push/guardrails"
      oidc_token {
        service_account_email = google_service_account.push.email
        audience              = local.push_audience
      }
    }
  }
}

resource "google_pubsub_subscription" "feedback" {
  name                       = "prompt-feedback-writer"
  topic                      = google_pubsub_topic.feedback.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  deletion_policy            = local.deletion_policy

  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  dynamic "dead_letter_policy" {
    for_each = local.pulled ? [google_pubsub_topic.dead_letters.id] : []
    content {
      dead_letter_topic     = dead_letter_policy.value
      max_delivery_attempts = 100
    }
  }
  dynamic "push_config" {
    for_each = local.push_endpoints.feedback
    content {
      push_endpoint = "${push_config.value}/push/feedback"
      oidc_token {
        service_account_email = google_service_account.push.email
        audience              = local.push_audience
      }
    }
  }
}

resource "google_pubsub_subscription" "dead_letters" {
  name                       = "prompt-executions-dead-letter-store"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s" # 31 days, the longest there is
  deletion_policy            = local.deletion_policy

  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
}
