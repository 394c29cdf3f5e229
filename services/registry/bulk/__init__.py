"""Many devices at once: a spreadsheet's file in, a spreadsheet's file out."""
