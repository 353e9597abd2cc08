"""A GitHub on your own machine, sample apps, and the story that `slipway demo` tells with them."""
