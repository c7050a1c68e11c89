// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProc

extension Backend {
    /// The backend that the program's first argument names, such as `--threads`; processes when there is none.
    public static var chosen: Backend {
        get throws {
            guard CommandLine.arguments.count > 1 else { return .processes }
            return try Backend(named: String(CommandLine.arguments[1].drop { $0 == "-" }))
        }
    }
}

/// Says what was expected and what there is; thrown, it ends a program with an error.
public struct Surprise: Error, CustomStringConvertible {
    /// One line.
    public let description: String

    /// Makes one of its line.
    public init(_ description: String) { self.description = description }
}

/// Ends the program with an error unless both are equal.
///
/// - Throws: ``Surprise``.
public func expect<T: Equatable>(_ what: String, _ got: T, _ wanted: T) throws {
    guard got == wanted else { throw Surprise("\(what): expected \(wanted), got \(got)") }
    print("\(what): \(got)")
}

/// Ends the program with an error unless something holds.
///
/// - Throws: ``Surprise``.
public func expect(_ what: String, _ holds: Bool) throws {
    guard holds else { throw Surprise("not so: \(what)") }
    print(what)
}
