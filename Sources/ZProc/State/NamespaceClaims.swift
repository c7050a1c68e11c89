// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Namespaces that calls in flight may be about to make, where there is a limit to how many there may be.
///
/// A call that is on its way while its namespace is dropped may make it again beyond the limit.
final class NamespaceClaims: Sendable {
    private struct WeakCall {
        /// Gone soon after it has been answered, and with it the claim.
        weak let call: IncomingCall?
    }

    /// The calls that may make one namespace.
    private struct Claim {
        private var calls: [WeakCall] = []
        private var sweepCount = 16

        var isAlive: Bool { calls.contains { $0.call != nil } }

        mutating func add(_ call: IncomingCall) {
            if calls.count == sweepCount {
                calls.removeAll { $0.call == nil }
                sweepCount = max(16, 2 * calls.count)
            }
            calls.append(WeakCall(call: call))
        }
    }
    private let claims = Mutex<[EntryKey: Claim]>([:])

    /// Lets a call make a namespace, unless there would be too many with those that others make.
    ///
    /// - Parameters:
    ///   - namespace: one that is not there.
    ///   - call: the call that may make it.
    ///   - most: how many there may be.
    ///   - existing: those that are there.
    /// - Throws: ``CallError/Code/overLimit`` at the caller; what `existing` throws.
    func claim(_ namespace: String, for call: IncomingCall, most: Int, existing: () throws -> [String]) throws {
        let name = EntryKey(namespace)
        try claims.withLock { claims in
            // It counts already.
            if claims[name]?.isAlive == true { return claims[name, default: Claim()].add(call) }
            // In this order: what has been answered by now is there when one looks after that.
            claims = claims.filter { $0.value.isAlive }
            let existing = Set(try existing().map { EntryKey($0) })
            claims = claims.filter { !existing.contains($0.key) }
            if !existing.contains(name), existing.count + claims.count >= most {
                throw WireError.overLimit("there are \(most) namespaces already")
            }
            claims[name, default: Claim()].add(call)
        }
    }
}
