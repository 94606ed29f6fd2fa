#!/bin/sh
# What the job runs: one token, one call.
set -eu
token=$(amesh token exchange --aud orders --act orders.write)
echo "::add-mask::$token"
curl -sS --fail-with-body -X POST "$ORDERS_URL/api/orders" \
  -H "Authorization: OathMesh $token" -H "Content-Type: application/json" -d '{"amount":100}'
echo
