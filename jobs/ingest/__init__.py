"""Ingest: take closed deliveries from the landing zone, keep originals, read headers, records and shapes."""
