variable "project" {
  description = "The project of this environment."
  type        = string
}

variable "environment" {
  description = "dev, staging or production."
  type        = string
}

variable "region" {
  description = "Where everything runs; the database's region."
  type        = string
}

variable "deployed" {
  description = "Whether anything runs. false is for the very first apply, which makes what an image needs: topics, accounts, secrets. What begins to run has the image with the tag `deployed`; later ones are deployed by cloudbuild.yaml."
  type        = bool
}

variable "protected" {
  description = "Whether Terraform refuses to delete what consumes events or holds them: false lets `terraform destroy` remove all."
  type        = bool
}

variable "network" {
  description = "The VPC network from which the database's private address is reached, and its subnetwork in the region."
  type        = object({ name = string, subnetwork = string })
  default     = { name = "default", subnetwork = "default" }
}

variable "delivery" {
  description = "pull: worker pools, for steady traffic. push: services that scale to zero. Switching loses no event."
  type        = string
  default     = "pull"
  validation {
    condition     = contains(["pull", "push"], var.delivery)
    error_message = "delivery is pull or push."
  }
}

variable "instances" {
  description = "The fewest and the most instances of each consumer."
  type        = map(object({ min = number, max = number }))
  validation {
    condition     = alltrue([for instances in values(var.instances) : instances.min <= instances.max])
    error_message = "min is at most max."
  }
}

variable "publishers" {
  description = "Who may publish executions and feedback, such as serviceAccount:chat@PROJECT.iam.gserviceaccount.com."
  type        = list(string)
  default     = []
}

variable "registry" {
  description = "The registry's endpoint: accounts of the services that read prompts there, such as chat@PROJECT.iam.gserviceaccount.com, and the fewest and the most instances. Each holds 1,000 clients."
  type        = object({ readers = list(string), min = number, max = number })
  default     = { readers = [], min = 0, max = 2 }
}

variable "archive" {
  description = "Whether every event is also written to BigQuery. Switched off, what is there stays until archive_days have passed."
  type        = bool
}

variable "archive_days" {
  description = "How long BigQuery keeps an event."
  type        = number
  validation {
    condition     = var.archive_days > 0
    error_message = "archive_days is at least 1; to write no archive, set archive = false."
  }
}

variable "collector" {
  description = "Run an OpenTelemetry collector beside each consumer: metrics and traces in Cloud Monitoring and Cloud Trace."
  type        = bool
}

variable "notification_channels" {
  description = "Ids of the Cloud Monitoring notification channels that alerts go to."
  type        = list(string)
  default     = []
}
