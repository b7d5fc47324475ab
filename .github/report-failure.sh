#!/usr/bin/env bash
# A failure of what runs on a schedule: an issue, or a comment in the open one of that title.
#     report-failure.sh TITLE
# GH_TOKEN may write issues of GH_REPO; RUN_URL leads to the run.
set -euo pipefail
title=$1
number=$(gh issue list --state open --search "\"$title\" in:title" \
  --json number --jq '.[0].number // empty')
if [ -n "$number" ]; then
  gh issue comment "$number" --body "It failed again: $RUN_URL"
else
  gh issue create --title "$title" --body "It failed: $RUN_URL"
fi
