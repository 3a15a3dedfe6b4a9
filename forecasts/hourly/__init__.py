"""The short range: members, weights, intervals, tide."""
