// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What `spawn` makes.
public enum Backend: String, Sendable, Codable, CaseIterable, CustomStringConvertible {
    /// Tasks of this process, on its own threads. Nothing is encoded.
    case threads
    /// Processes of the operating system that run the same program.
    case processes

    /// Reads `threads` or `processes`.
    ///
    /// - Throws: ``BackendError`` that names the choices.
    public init(named name: String) throws(BackendError) {
        guard let backend = Backend(rawValue: name) else { throw BackendError(name: name) }
        self = backend
    }

    /// Reads as `threads` or `processes`.
    public var description: String { rawValue }
}

/// There is no backend of that name.
public struct BackendError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The name that was asked for.
    public let name: String

    /// One line with the choices.
    public var description: String {
        "there is no backend '\(name)'; choose \(Backend.allCases.map(\.rawValue).joined(separator: " or "))"
    }
}
