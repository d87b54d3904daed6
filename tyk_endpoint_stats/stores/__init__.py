"""Where states are kept: the contract, and the two stores that come with the package."""
