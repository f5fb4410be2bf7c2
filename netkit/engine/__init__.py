"""Forward, backward, step, run.

`network` is the lesson and `training` the loop: they, `rows` and `scoring` say all that happens to the numbers.
`program/` says the same faster and differs by rounding; `network` knows nothing of it, the loop calls it in one line.
Tables and files are not known here.
"""
