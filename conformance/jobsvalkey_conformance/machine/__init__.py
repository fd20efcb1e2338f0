"""The stateful machine: random steps on the driver and on the twin, which must answer the same."""
