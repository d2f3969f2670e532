"""The syncs' pages in Airflow's web app: a plugin, and the static files that it serves."""
