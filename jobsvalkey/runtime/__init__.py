"""What runs jobs on any driver: queue, registry, codec, processor, retry."""
