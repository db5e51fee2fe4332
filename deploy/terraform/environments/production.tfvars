environment  = "production"
region       = "europe-west1"
archive_days = 400
collector    = true
instances = {
  executions   = { min = 2, max = 6 } # two, so that a restart delays nothing
  guardrails   = { min = 2, max = 8 }
  feedback     = { min = 1, max = 2 }
  dead-letters = { min = 1, max = 1 }
}
