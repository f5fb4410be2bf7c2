"""Forward, backward, step, run.

`network` is the lesson and `training` the loop: they, `rows` and `scoring` say all that happens to the numbers.
`program/` says the same faster and changes no number; nothing in the lesson depends on it but the loop, which calls it.
Tables and files are not known here.
"""
