// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A struct whose only stored property is one `@Sendable` function: the shape in which functions travel.
///
/// Storing a function in a generic struct keeps the calling convention of its exact type, so the struct is two words,
/// code and context. The conforming type is what a receiver casts to a protocol of its own to call the function with
/// all types known again. Spell `@concurrent` or `nonisolated(nonsending)` out in async function types: the default
/// differs between modules.
public protocol ClosureHolder: Sendable {}

/// A closure with its captures, ready to be sent to another process of the same program, or received from one.
///
/// What travels is the place of the code in the program and the captured values in their `Codable` form. Whoever may
/// send a closure may run code: decode them only from peers you trust that far. Encoders see captured values as they
/// see any other, `userInfo` included.
///
/// Making one and encoding it are two steps: ``init(_:fileID:line:)`` looks at nothing; `encode(to:)` reads the
/// captures and throws ``PortableClosureError`` naming file, line and type when one cannot travel.
public struct PortableClosure: Sendable {
    /// The function, as the struct it is stored in.
    public let holder: any ClosureHolder
    private let location: SourceLocation

    /// Wraps `holder` for sending.
    ///
    /// - Parameters:
    ///   - holder: a struct with one stored property, the function.
    ///   - fileID: where the closure was written, for errors.
    ///   - line: where the closure was written, for errors.
    public init(_ holder: some ClosureHolder, fileID: String = #fileID, line: Int = #line) {
        self.holder = holder
        location = SourceLocation(fileID: fileID, line: line)
    }
}

extension PortableClosure {
    /// The function, if it has captured nothing.
    var plainFunction: PlainFunction? {
        func open<Holder: ClosureHolder>(_ holder: Holder) -> PlainFunction? {
            guard MemoryLayout<Holder>.size == MemoryLayout<FunctionValue>.size else { return nil }
            return withUnsafeBytes(of: holder) { bytes in
                withExtendedLifetime(holder) { PlainFunction(bytes.load(as: FunctionValue.self), in: Holder.self) }
            }
        }
        return open(holder)
    }

    func isFromSamePlace(as other: PortableClosure) -> Bool { location == other.location }
}

/// On the wire: `[type of the holder, file, line, function]`.
extension PortableClosure: Codable {
    /// Rebuilds the function and its captures.
    ///
    /// - Throws: ``PortableClosureError`` when code or a type is not found; whatever a captured value's own decoding
    ///   throws.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        let type = try container.decode(TypeReference.self).resolve()
        let location = SourceLocation(
            fileID: try container.decode(String.self),
            line: try container.decode(Int.self)
        )
        guard let holderType = type as? any ClosureHolder.Type else {
            throw PortableClosureError(.malformed, "\(type) is not a type that holds a closure", at: location)
        }
        do {
            var nested = try container.nestedUnkeyedContainer()
            holder = try Self.decode(holderType, from: &nested)
        } catch let error as PortableClosureError {
            throw error.at(location)
        }
        self.location = location
    }

    /// Reads the captures and writes them.
    ///
    /// - Throws: ``PortableClosureError`` when a capture cannot travel; whatever a captured value's own encoding throws.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        do {
            try container.encode(TypeReference(Swift.type(of: holder)))
            try container.encode(location.fileID)
            try container.encode(location.line)
            var nested = container.nestedUnkeyedContainer()
            try Self.encode(holder, to: &nested)
        } catch let error as PortableClosureError {
            throw error.at(location)
        }
    }

    private static func encode<Holder: ClosureHolder>(
        _ holder: Holder,
        to container: inout any UnkeyedEncodingContainer
    ) throws {
        precondition(
            MemoryLayout<Holder>.size == MemoryLayout<FunctionValue>.size,
            "\(Holder.self) must have one stored property, a function"
        )
        try withUnsafeBytes(of: holder) { bytes in
            try withExtendedLifetime(holder) { try bytes.load(as: FunctionValue.self).encode(to: &container) }
        }
    }

    private static func decode<Holder: ClosureHolder>(
        _: Holder.Type,
        from container: inout any UnkeyedDecodingContainer
    ) throws -> Holder {
        guard MemoryLayout<Holder>.size == MemoryLayout<FunctionValue>.size else {
            throw PortableClosureError(.malformed, "\(Holder.self) does not hold a function")
        }
        var function = try FunctionValue(from: &container)
        // Moving, not casting: the holder takes over the reference to the context.
        return withUnsafeMutablePointer(to: &function) { function in
            UnsafeMutableRawPointer(function).assumingMemoryBound(to: Holder.self).move()
        }
    }
}
