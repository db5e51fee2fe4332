# The same consumers as services that Pub/Sub pushes to: nothing runs, and nothing is paid, while nothing is pushed.

locals {
  pushable = ["executions", "guardrails", "feedback"]
  pushed = {
    for name in local.pushable : "push-${name}" => {
      account     = name
      settings    = "push"
      memory      = local.consumers[name].memory
      concurrency = 500
      timeout     = "60s"
      min         = 0
      max         = var.instances[name].max
      # All that a consumer does, it does while a request waits for it, so it pays by the request. A collector also sends
      # between requests, and then every second of an instance is paid.
      cpu_idle = !var.collector
    }
  }
  # By consumer: the service that its subscription pushes to, or none.
  push_endpoints = {
    for name in local.pushable :
    name => local.pulled || !var.deployed ? [] : [google_cloud_run_v2_service.service["push-${name}"].uri]
  }
}
