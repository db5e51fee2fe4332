# As production, with fewer instances and a shorter archive.
environment = "staging"
region      = "europe-west1"
deployed    = true
protected   = true

delivery     = "pull"
archive      = true
archive_days = 7
collector    = true

instances = {
  executions   = { min = 1, max = 2 }
  guardrails   = { min = 1, max = 2 }
  feedback     = { min = 1, max = 1 }
  dead-letters = { min = 1, max = 1 }
  experiments  = { min = 1, max = 1 }
}
