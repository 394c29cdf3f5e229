"""Dashboards as code: `make dashboards` writes deploy/grafana/dashboards/*.json, `make check` sees that they are what this says."""
