"""How many processes KEDA wants by the lag of real consumers, by its published formula and by its own code.

`python -m tools.keda` builds KEDA's scaler, once, in about ten minutes (it needs Go 1.26 or newer, the Go module proxy,
some GB of memory and disk), and prints what it wants by the shipped triggers while a real member works off a backlog.
"""
