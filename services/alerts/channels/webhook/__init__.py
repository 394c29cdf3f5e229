"""Notifications by webhook (Standard Webhooks)."""

from services.alerts.channels.webhook.channel import WebhookChannel

__all__ = ["WebhookChannel"]
