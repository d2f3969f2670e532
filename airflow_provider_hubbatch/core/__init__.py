"""The pure part: decisions over data. No Airflow, no HTTP, no clock, no logging."""
