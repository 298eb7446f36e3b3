#!/bin/sh
# The namespace and the search attributes of rmr1 (temporal.config.ts). Running it again changes nothing.
set -eu
until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
for attribute in Stage=Keyword RunState=Keyword Recipe=Keyword Accuracy=Double SpendUsd=Double Step=Int; do
  temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
    --name "${attribute%=*}" --type "${attribute#*=}" || true
done
