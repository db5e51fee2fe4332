#!/usr/bin/env bash
# Runs IMAGE everywhere in the region $REGION: deploy/deploy.sh IMAGE. With the tag `previous` it is the rollback.
set -euo pipefail
image=$1

for consumer in executions guardrails feedback dead-letters; do
    gcloud run worker-pools update "prompt-worker-$consumer" --region="$REGION" --image="$image"
done
for service in push-executions push-guardrails push-feedback registry; do
    gcloud run services update "prompt-worker-$service" --region="$REGION" --image="$image"
done
for job in partitions doctor doctor-executions doctor-guardrails doctor-feedback doctor-dead-letters registry-export replay; do
    gcloud run jobs update "prompt-worker-$job" --region="$REGION" --image="$image"
done
