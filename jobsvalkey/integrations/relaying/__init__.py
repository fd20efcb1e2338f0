"""The parts that all outboxes share, whatever their database: jobs as they wait in it, and the relay."""
