"""What the child does: the only room of the service that plans and forecasts."""
