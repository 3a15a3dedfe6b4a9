"""What forecasts say, in both languages."""
