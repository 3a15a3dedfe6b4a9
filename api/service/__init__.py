"""What routes and pages ask for."""
