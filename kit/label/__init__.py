"""What a person should look at: pictures to label next, chosen with an opened detector."""
