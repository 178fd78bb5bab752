"""The booking site of one carrier: pages rendered here, on what the node tells through `ui.desk`."""
