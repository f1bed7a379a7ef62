#!/bin/bash
# An array of workers: `sbatch deploy/slurm/workers.sh`. The coordinator and the NATS server run on a node that stays.
#SBATCH --job-name=batchgen-worker
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=08:00:00
# Ten minutes before the end, so that it can finish what it has in work.
#SBATCH --signal=B:TERM@600

set -euo pipefail

: "${BATCHGEN_CLUSTER:=nats://login-node:4222}"
export BATCHGEN_CLUSTER

# The spool lies where the next job of this number finds it.
batchgen worker \
    --name "slurm-${SLURM_ARRAY_TASK_ID}" \
    --spool "${SCRATCH:-$HOME}/batchgen-worker" &
worker=$!
trap 'kill -TERM "$worker"' TERM
# A signal ends `wait`, and not the worker.
while true; do
    status=0
    wait "$worker" || status=$?
    kill -0 "$worker" 2>/dev/null || break
done
exit "$status"
