"""The ways to a hub or a device, a folder each. A channel knows how to send; when, and how often, is the dispatcher's."""

from services.alerts.channels.channel import Channel, Parcel

__all__ = ["Channel", "Parcel"]
