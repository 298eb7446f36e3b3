#!/bin/sh
# Make or update the databases of a Temporal server on PostgreSQL. Running it again changes nothing.
set -eu
export SQL_PLUGIN=postgres12 SQL_PORT=5432 SQL_USER=temporal
schema() {
  database=$1
  folder=/etc/temporal/schema/postgresql/v12/$2/versioned
  temporal-sql-tool --database "$database" create
  temporal-sql-tool --database "$database" setup-schema --version 0.0 || true
  temporal-sql-tool --database "$database" update-schema --schema-dir "$folder"
}
schema temporal temporal
schema temporal_visibility visibility
