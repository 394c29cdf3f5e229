"""The console as its operators have it before them: a real Chromium, a real alerts service, a real database."""
