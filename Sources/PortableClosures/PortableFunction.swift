// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A function that is `Codable`: it can be stored in messages, passed as an argument and called where it arrives.
///
///     let scale = PortableFunction { (x: Double) in x * factor }
///     let bytes = try MessagePackEncoder().encode(scale)
///     // … in another process of the same program:
///     let scale = try MessagePackDecoder().decode(PortableFunction<Double, Double>.self, from: bytes)
///     try await scale(2)
public struct PortableFunction<Result, each Argument>: Sendable {
    /// The type of functions held: concurrent, so that it means the same in every module.
    public typealias Body = @concurrent @Sendable (repeat each Argument) async throws -> Result

    private let holder: FunctionHolder<Result, repeat each Argument>
    private let closure: PortableClosure

    /// Wraps `body`; nothing is read until it is encoded.
    ///
    /// - Parameters:
    ///   - fileID: where the closure was written, for errors.
    ///   - line: where the closure was written, for errors.
    ///   - body: a closure or function whose captures are `Codable`.
    public init(fileID: String = #fileID, line: Int = #line, _ body: @escaping Body) {
        holder = FunctionHolder(body: body)
        closure = PortableClosure(holder, fileID: fileID, line: line)
    }

    /// Calls the function, off the caller's actor.
    @concurrent public func callAsFunction(_ argument: repeat each Argument) async throws -> Result {
        try await holder.body(repeat each argument)
    }
}

extension PortableFunction: Codable {
    /// Rebuilds the function; see ``PortableClosure``.
    public init(from decoder: any Decoder) throws {
        closure = try PortableClosure(from: decoder)
        guard let holder = closure.holder as? FunctionHolder<Result, repeat each Argument> else {
            throw PortableClosureError(.malformed, "got a \(type(of: closure.holder)), wanted a \(Self.self)")
        }
        self.holder = holder
    }

    /// Writes the place of the code and the captured values; see ``PortableClosure``.
    public func encode(to encoder: any Encoder) throws {
        try closure.encode(to: encoder)
    }
}

/// Internal and not nested: a private type inside a generic one has no name to travel by.
struct FunctionHolder<Result, each Argument>: ClosureHolder {
    let body: @concurrent @Sendable (repeat each Argument) async throws -> Result
}
