"""Every interleaving of two deliveries, a delivery report and a reconciliation run, with faults in their calls."""
