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
    /// Whether it is a request of those that a client may make in a second; not what clients ask before they are used.
    let isCounted: Bool

    init(_ serviceName: String, _ method: String, of services: ServiceTable) {
        self.serviceName = serviceName
        self.method = method
        service = services[serviceName]
        role = service?.role(for: method) ?? .reader
        isCounted = serviceName != HubService.name || method != HubMethod.move.rawValue
    }

    /// Whether these are its names, byte by byte: strings are equal when they look the same.
    func isCalled(_ serviceName: String, _ method: String) -> Bool {
        self.method.utf8.elementsEqual(method.utf8) && self.serviceName.utf8.elementsEqual(serviceName.utf8)
    }

    var description: String { "\(serviceName).\(method)" }
}
