"""How speed, memory and growth are measured: `cases` what, `peers` by whom, `worker` and `conductor` how."""
