// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Closures that have captured nothing, with their encoded forms.
///
/// Such a closure is code and nothing else: it is the same each time it is sent, and whoever receives the same bytes
/// again gets the same function. So neither is done more than once. Whatever has captured a value passes by.
package final class PlainClosureCache: Sendable {
    /// An object, because a closure has many parts to be copied.
    private final class Known: Sendable {
        let closure: PortableClosure
        let bytes: [UInt8]

        init(closure: PortableClosure, bytes: [UInt8]) {
            self.closure = closure
            self.bytes = bytes
        }
    }

    private struct State {
        var sent: [PlainFunction: Known] = [:]
        var received: [Bytes: Known] = [:]
        /// Those that came last, which are likely to come next.
        var recentSent: (function: PlainFunction, known: Known)?
        var recentReceived: Known?

        mutating func known(_ function: PlainFunction) -> Known? {
            if let recentSent, recentSent.function == function { return recentSent.known }
            guard let known = sent[function] else { return nil }
            recentSent = (function, known)
            return known
        }

        mutating func closure(in bytes: [UInt8]) -> PortableClosure? {
            if let recentReceived, recentReceived.bytes == bytes { return recentReceived.closure }
            guard let known = received[Bytes(bytes: bytes)] else { return nil }
            recentReceived = known
            return known.closure
        }
    }

    /// Hashed all at once, not one by one.
    private struct Bytes: Hashable {
        let bytes: [UInt8]

        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    /// What has more bytes has captured something, or has names that are not worth remembering.
    private static let mostBytes = 1_024

    private let state = Mutex(State())
    private let maximumCount: Int

    /// Makes a cache that forgets everything when it has so many closures of either kind.
    package init(maximumCount: Int = 1_000) { self.maximumCount = maximumCount }

    /// The encoded form of a closure: the known one, or what `encode` makes.
    package func bytes(of closure: PortableClosure, encode: (PortableClosure) throws -> [UInt8]) rethrows -> [UInt8] {
        guard let function = closure.plainFunction else { return try encode(closure) }
        let known = state.withLock { $0.known(function) }
        // The same function may be sent from several places, which errors are to name.
        if let known, known.closure.isFromSamePlace(as: closure) { return known.bytes }
        let bytes = try encode(closure)
        if bytes.count > Self.mostBytes { return bytes }
        state.withLock { state in
            if state.sent.count >= maximumCount { state.sent = [:] }
            state.recentSent = nil
            state.sent[function] = Known(closure: closure, bytes: bytes)
        }
        return bytes
    }

    /// The closure that bytes are the form of: the known one, or what `decode` makes.
    package func closure(in bytes: [UInt8], decode: ([UInt8]) throws -> PortableClosure) rethrows -> PortableClosure {
        if bytes.count > Self.mostBytes { return try decode(bytes) }
        if let known = state.withLock({ $0.closure(in: bytes) }) { return known }
        let closure = try decode(bytes)
        if closure.plainFunction != nil {
            state.withLock { state in
                if state.received.count >= maximumCount { (state.received, state.recentReceived) = ([:], nil) }
                state.received[Bytes(bytes: bytes)] = Known(closure: closure, bytes: bytes)
            }
        }
        return closure
    }
}

/// What tells functions apart that have captured nothing, or nothing but other such functions: a function is wrapped
/// in another where it is passed on as one of another type.
struct PlainFunction: Hashable {
    private let holder: ObjectIdentifier
    private var addresses: [UInt] = []

    /// Nil for a function that has captured anything else.
    init?(_ function: FunctionValue, in holder: any ClosureHolder.Type) {
        self.holder = ObjectIdentifier(holder)
        // A function that is wrapped in another, as most are.
        addresses.reserveCapacity(3)
        guard add(function) else { return nil }
    }

    private mutating func add(_ function: FunctionValue) -> Bool {
        addresses.append(UInt(bitPattern: function.code))
        guard let context = function.context else { return true }
        let metadata = context.load(as: UnsafeRawPointer.self)
        guard CaptureLayout.describesBox(metadata), let layout = try? CaptureLayout.of(metadata) else { return false }
        addresses.append(UInt(bitPattern: metadata))
        for field in layout.fields {
            guard case .function(let offset) = field,
                add((context + offset).load(as: FunctionValue.self))
            else { return false }
        }
        return true
    }
}
