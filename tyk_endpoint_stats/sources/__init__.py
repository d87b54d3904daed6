"""Where records come from: the contract, and the readers that come with the package."""
