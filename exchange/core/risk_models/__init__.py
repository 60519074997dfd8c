"""Margin models beside the rules of `exchange.core.margin`: what a portfolio needs, for any set of parameters.

Pure functions on integers. What each owns: `lanes` many numbers in one; `grid` values of an option in every scenario;
`arrays` those of a round, kept and committed to; `scan` the worst scenario; `contingencies` add-ons; `collateral`
haircuts; `buffer` the time between a price and its use; `requirement` an account under either model.
"""
