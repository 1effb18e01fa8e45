"""The synthetic hospital: scans, records and annotations with planted trouble, and the truth about them."""
