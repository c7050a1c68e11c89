// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The name of an entry together with the type of its value.
///
///     let cookies = Key<Int>("cookies")
///     try await state.set(cookies, to: 3)
///     try await state.update { $0[cookies, default: 0] += 1 }
///
/// The type is a promise of the program's, not kept in the state: another type under the same name is read with
/// ``StateError/Code/typeMismatch``, as with plain names.
public struct Key<Value: Codable & Sendable>: Hashable, Sendable, Codable {
    /// The name.
    public let name: String

    /// Makes a key of its name.
    public init(_ name: String) { self.name = name }
}
