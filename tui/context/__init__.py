"""What the next prompt is made of, for the eye: the bar, and the view it opens."""
