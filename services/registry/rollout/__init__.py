"""The rollout: devices by council and stage, live of the programme's 1,000."""
