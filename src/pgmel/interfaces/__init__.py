"""Ways to reach pgmel from outside: they translate, they decide nothing."""
