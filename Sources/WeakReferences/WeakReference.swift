// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import CWeakReferences

/// A weak reference that costs its object nothing, for objects whose references are counted in every call.
///
/// The first of the language's own weak references gives an object a side table, for as long as it lives, and from then
/// on whoever counts a strong reference to it takes the way through that table, about three times as long. So such an
/// object must have none of those, not even one that is hardly used. This one is unowned, which is counted in the object
/// itself, and asks the runtime whether the object still lives: the object's memory, not what it holds, stays until this
/// reference is let go, too.
///
/// Public for this package's other modules, of which none hands it on: what is `package` is not inlined there.
public final class WeakReference<Object: AnyObject & Sendable>: Sendable {
    /// Keeps the memory; never read, since that is an error when the object has ended.
    @usableFromInline unowned let unowned: Object
    /// Of the same object.
    @usableFromInline nonisolated(unsafe) let address: UnsafeMutableRawPointer

    /// Refers to an object that lives.
    @inlinable public init(_ object: Object) {
        unowned = object
        address = Unmanaged.passUnretained(object).toOpaque()
    }

    /// The object, until its end has begun.
    @inlinable public var object: Object? {
        @inline(__always) get {
            withExtendedLifetime(self) {
                guard cwr_try_retain(address) else { return nil }
                // Retained just now.
                return Unmanaged<Object>.fromOpaque(address).takeRetainedValue()
            }
        }
    }
}
