// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Answers the calls of one kind that come to a node.
protocol Service: AnyObject, Sendable {
    /// What callers know it by.
    static var name: String { get }

    /// Answers now, or starts work that answers later. Runs on the transport's thread and must not block it.
    func handle(_ call: IncomingCall)

    /// Several calls may have come at once: `calls` has each of them handled, on this thread.
    func handleTogether(_ calls: () -> Void)

    /// What a caller must be allowed to do who calls a method, where keys say who may do what.
    func role(for method: String) -> Role

    /// Whether its methods have names of its own, and this is one; metrics count those one by one.
    func has(_ method: String) -> Bool
}

extension Service {
    func handleTogether(_ calls: () -> Void) { calls() }

    /// What runs code is for those who may run code.
    func role(for method: String) -> Role { .runner }
    func has(_ method: String) -> Bool { false }
}

/// Services by their names, of which there are few: to compare them takes less than to hash one.
struct ServiceTable: Sendable {
    private var services: [(name: String, service: any Service)] = []

    mutating func add<Added: Service>(_ service: Added) { services.append((Added.name, service)) }

    subscript(name: String) -> (any Service)? { services.first { $0.name == name }?.service }
}
