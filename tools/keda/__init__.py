"""How many processes KEDA asks for at the lag of a real consumer, by its documented formula and by its own code.

`python -m tools.keda` builds KEDA's scaler once, in about ten minutes (it needs Go 1.26 or newer, the Go module proxy,
and some GB of memory and disk). Then it prints the number of processes of each shipped trigger while one consumer
reads a backlog.
"""
