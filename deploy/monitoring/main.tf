# The alert policies of policies/*.json, which are in the shape of Cloud Monitoring's API: without Terraform, give each
# to `gcloud monitoring policies create --policy-from-file`.
terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

variable "project" {
  description = "The project whose metrics are watched."
  type        = string
}

variable "environment" {
  description = "dev, staging or production: named in each alert."
  type        = string
}

variable "notification_channels" {
  description = "Ids of the notification channels that alerts go to."
  type        = list(string)
  default     = []
}

locals {
  policies = {
    for file in fileset("${path.module}/policies", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${path.module}/policies/${file}"))
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.policies

  project               = var.project
  display_name          = "${each.value.displayName} (${var.environment})"
  severity              = each.value.severity
  combiner              = each.value.combiner
  notification_channels = var.notification_channels
  user_labels           = merge(each.value.userLabels, { environment = var.environment })

  documentation {
    content   = each.value.documentation.content
    mime_type = each.value.documentation.mimeType
  }

  alert_strategy {
    auto_close = each.value.alertStrategy.autoClose
    dynamic "notification_rate_limit" {
      for_each = try([each.value.alertStrategy.notificationRateLimit.period], [])
      content {
        period = notification_rate_limit.value
      }
    }
  }

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.value.displayName

      dynamic "condition_threshold" {
        for_each = [for condition in [try(conditions.value.conditionThreshold, null)] : condition if condition != null]
        iterator = threshold
        content {
          filter          = threshold.value.filter
          comparison      = threshold.value.comparison
          threshold_value = threshold.value.thresholdValue
          duration        = threshold.value.duration
          trigger {
            count = threshold.value.trigger.count
          }
          dynamic "aggregations" {
            for_each = threshold.value.aggregations
            content {
              alignment_period   = aggregations.value.alignmentPeriod
              per_series_aligner = aggregations.value.perSeriesAligner
            }
          }
        }
      }

      dynamic "condition_matched_log" {
        for_each = [for condition in [try(conditions.value.conditionMatchedLog, null)] : condition if condition != null]
        iterator = log
        content {
          filter           = log.value.filter
          label_extractors = log.value.labelExtractors
        }
      }

      dynamic "condition_prometheus_query_language" {
        for_each = [for condition in [try(conditions.value.conditionPrometheusQueryLanguage, null)] : condition if condition != null]
        iterator = promql
        content {
          query                     = promql.value.query
          duration                  = promql.value.duration
          evaluation_interval       = promql.value.evaluationInterval
          rule_group                = promql.value.ruleGroup
          alert_rule                = promql.value.alertRule
          disable_metric_validation = try(promql.value.disableMetricValidation, false)
        }
      }
    }
  }
}
