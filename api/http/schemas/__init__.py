"""What goes over the wire. Times are RFC 3339 in UTC; units stand in the names."""
