"""The gate for units that nobody registered: a council's shared credential, metered, in front of the broker."""
