"""What max, min and average pooling make of one image: measures, numbers and a panel to look at."""
