# What each program finds in its environment, said once for pools, push services and jobs.

locals {
  # By account: the settings that are secrets. Each account has a login of its own in the database, with the role in
  # README.md.
  secrets = {
    executions   = { DATABASE_URL = "database-url-executions" }
    guardrails   = { DATABASE_URL = "database-url-guardrails", PROMPT_WORKER_HMAC_KEY = "hmac-key" }
    feedback     = { DATABASE_URL = "database-url-feedback" }
    dead-letters = { DATABASE_URL = "database-url-dead-letters" }
    experiments  = { DATABASE_URL = "database-url-experiments" }
    migrations   = { DATABASE_URL = "database-url-migrations" }
    operator     = { DATABASE_URL = "database-url-operator" }
    registry     = { DATABASE_URL = "database-url-registry" }
  }

  # By what runs: all other settings.
  settings = {
    job = { PUBSUB_PROJECT_ID = var.project }
    pool = merge(local.traced, {
      PUBSUB_PROJECT_ID        = var.project
      PROMPT_WORKER_PROBE_PORT = "8080"
    })
    push = merge(local.traced, {
      PUBSUB_PROJECT_ID                  = var.project
      PROMPT_WORKER_PUSH_AUDIENCE        = local.push_audience
      PROMPT_WORKER_PUSH_SERVICE_ACCOUNT = google_service_account.push.email
    })
    registry = merge(local.traced, {
      PUBSUB_PROJECT_ID               = var.project
      PROMPT_WORKER_REGISTRY_AUDIENCE = local.registry_address
      PROMPT_WORKER_REGISTRY_READERS  = join(",", concat([google_service_account.runs["registry"].email], var.registry.readers))
      PROMPT_WORKER_REGISTRY_CLIENTS  = tostring(local.registry_clients + 50)
    })
  }
  traced        = var.collector ? { OTEL_EXPORTER_OTLP_ENDPOINT = "http://localhost:4318" } : {}
  push_audience = "prompt-worker"

  # A collector beside each program, where `collector` asks for it.
  collectors = var.collector ? [{
    image  = "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:0.156.0"
    config = templatefile("${path.module}/collector.yaml", { region = var.region })
  }] : []
}
