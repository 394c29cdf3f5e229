"""Each device's own identity at the broker: claims, and their exchange for a credential over the provisioning topics."""
