"""Every kind of fault, one after the other, under workers and pushers that are processes of their own."""
