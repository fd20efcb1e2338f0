"""An app with orders, for the tests of the outbox."""
