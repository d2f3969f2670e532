"""HubSpot over HTTP: settings, tokens, sender threads, pacing and retries."""
