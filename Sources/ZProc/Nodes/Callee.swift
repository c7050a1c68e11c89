// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A method that others call.
final class Callee: Sendable, CustomStringConvertible {
    let serviceName: String
    let method: String
    /// Nil when there is no such service here.
    let service: (any Service)?
    /// What a caller must be allowed to do.
    let role: Role

    init(_ serviceName: String, _ method: String, of services: ServiceTable) {
        self.serviceName = serviceName
        self.method = method
        service = services[serviceName]
        role = service?.role(for: method) ?? .reader
    }

    var description: String { "\(serviceName).\(method)" }
}
