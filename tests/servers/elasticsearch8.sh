#!/usr/bin/env bash
# Elasticsearch 8; all else as elasticsearch.sh says.
ELASTICSEARCH_MAJOR=8 exec "$(dirname "$0")/elasticsearch.sh" "$@"
