"""What a person should look at: pictures to label next, labels that are likely wrong."""
