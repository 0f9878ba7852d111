# shellcheck shell=bash disable=SC2034
# Elasticsearch 7; otherwise as OpenSearch.
search_server=elasticsearch
. tests/bench/sinks/opensearch.sh
