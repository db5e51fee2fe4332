# The registry's endpoint: services read their prompts there instead of from the database, see README.md. With
# `registry.min = 0` it ends some minutes after its last reader, and costs nothing from then on.

locals {
  # The most that Cloud Run gives to one instance.
  registry_clients = 1000
  # What a service has as PROMPT_REGISTRY, and what its tokens are made for.
  registry_address = "https://prompt-worker-registry-${data.google_project.this.number}.${var.region}.run.app"

  registry = {
    registry = {
      account     = "registry"
      settings    = "registry"
      memory      = "512Mi"
      concurrency = local.registry_clients
      # Longer than a client waits for a change.
      timeout = "90s"
      min     = var.registry.min
      max     = var.registry.max
      # It follows the database between requests too, so that a client is never given an older revision.
      cpu_idle = false
    }
  }
}
