"""Cut the tissue of H&E sections into tiles."""
