"""The /think service: asks the retrained model, and lets out only what stands in a closed `<final>`."""
