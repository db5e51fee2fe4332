# Ids of the channels that alerts go to: README.md, "Operate", says how to make one.
notification_channels = []

environment = "production"
region      = "europe-west1"
deployed    = true
protected   = true

delivery     = "pull"
archive      = true
archive_days = 400
collector    = true

instances = {
  # Two, so that a restart delays nothing.
  executions   = { min = 2, max = 6 }
  guardrails   = { min = 2, max = 8 }
  feedback     = { min = 1, max = 2 }
  dead-letters = { min = 1, max = 1 }
  experiments  = { min = 1, max = 1 }
}
