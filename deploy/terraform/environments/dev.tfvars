# Costs little while nobody uses it, and can be removed whole: terraform destroy.
environment = "dev"
region      = "europe-west1"
deployed    = true
protected   = false

# Push: what consumes events runs only while there are some.
delivery     = "push"
archive      = false
archive_days = 7
# Logs alone: no metric is sent, and the alerts that count what the workers report stay silent.
collector = false

instances = {
  executions   = { min = 0, max = 1 }
  guardrails   = { min = 0, max = 1 }
  feedback     = { min = 0, max = 1 }
  dead-letters = { min = 1, max = 1 }
  # Run `prompt-worker experiments look` by hand.
  experiments = { min = 0, max = 0 }
}
