#!/usr/bin/env bash
# Runs IMAGE everywhere in the region $REGION: deploy/deploy.sh IMAGE. With the tag `previous` it is the rollback, with
# `deployed` a restart of everything, which then reads the newest version of each secret.
set -euo pipefail
image=$1

# `deploy`, since `update` starts nothing where a pool has this very image already.
for pool in executions guardrails feedback dead-letters experiments; do
    gcloud run worker-pools deploy "prompt-worker-$pool" --region="$REGION" --image="$image" --quiet
done
for service in push-executions push-guardrails push-feedback registry; do
    gcloud run services update "prompt-worker-$service" --region="$REGION" --image="$image"
done
for job in partitions doctor doctor-executions doctor-guardrails doctor-feedback doctor-dead-letters registry-export replay; do
    gcloud run jobs update "prompt-worker-$job" --region="$REGION" --image="$image"
done
