"""What all outboxes share, whatever their database: jobs as they wait in it, and what pushes them."""
