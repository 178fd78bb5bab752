"""What makes a log's past provable: its tree, checkpoints that carriers sign and cosign, receipts of travellers."""
