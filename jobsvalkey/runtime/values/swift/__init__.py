"""Values as Swift's `JSONEncoder` writes them by default."""

from jobsvalkey.runtime.values.swift.codec import SwiftCodec

__all__ = ["SwiftCodec"]
