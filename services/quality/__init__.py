"""Quality: judges every crop; only what is sharp enough is embedded."""
