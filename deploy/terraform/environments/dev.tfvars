environment  = "dev"
region       = "europe-west1"
delivery     = "push" # scales to zero
archive_days = 0
collector    = false
instances = {
  executions   = { min = 0, max = 1 }
  guardrails   = { min = 0, max = 1 }
  feedback     = { min = 0, max = 1 }
  dead-letters = { min = 1, max = 1 }
}
