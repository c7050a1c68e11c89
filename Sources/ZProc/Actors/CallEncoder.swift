// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// Collects the arguments of a call to a distributed actor.
///
/// On the wire: `[actor, [type…], circumstances, argument…]`: the types are those a generic method is called with, the
/// circumstances nil or `[nanoseconds left or nil, priority]`, and each argument is binary that holds a MessagePack value.
public struct CallEncoder: DistributedTargetInvocationEncoder {
    /// What arguments must be.
    public typealias SerializationRequirement = any Codable

    private let encoder: MessagePackEncoder
    private var genericTypes: [TypeReference] = []
    private var arguments: [ArraySlice<UInt8>] = []

    init(encoder: MessagePackEncoder) { self.encoder = encoder }

    /// Records what a generic parameter stands for.
    ///
    /// Called by the language.
    ///
    /// - Throws: ``PortableClosureError/Code/typeNotFound`` for a type that cannot be named in another process.
    public mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {
        genericTypes.append(try TypeReference(type))
    }

    /// Encodes an argument.
    ///
    /// Called by the language, which hands it no conformances: inlined, so that nobody has to look for them where the type is
    /// known.
    ///
    /// - Throws: what the value's own encoding throws.
    @inlinable
    public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
        try record(argument.value)
    }

    @usableFromInline
    mutating func record<Value: Encodable>(_ argument: Value) throws {
        arguments.append(try encoder.encode(argument)[...])
    }

    /// Nothing to record: errors name their type themselves.
    ///
    /// Called by the language.
    public mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}

    /// Nothing to record: both sides know it.
    ///
    /// Called by the language.
    public mutating func recordReturnType<R: Codable>(_ type: R.Type) throws {}

    /// Nothing is left to do.
    ///
    /// Called by the language.
    public mutating func doneRecording() throws {}

    func message(to id: ActorID) throws -> [UInt8] {
        let call = CallArguments(
            actor: id.number,
            genericTypes: genericTypes,
            circumstances: .current,
            arguments: arguments
        )
        return try call.usualForm ?? encoder.encode(call)
    }
}

/// The arguments of a call to an actor, as they travel.
struct CallArguments: Codable {
    var actor: UInt64
    var genericTypes: [TypeReference]
    /// Nil for the usual ones.
    var circumstances: CallCircumstances?
    var arguments: [ArraySlice<UInt8>]

    init(
        actor: UInt64,
        genericTypes: [TypeReference],
        circumstances: CallCircumstances?,
        arguments: [ArraySlice<UInt8>]
    ) {
        self.circumstances = circumstances
        self.actor = actor
        self.genericTypes = genericTypes
        self.arguments = arguments
    }

    /// How many arguments a usual call has at most.
    private static let usualCount = 12

    /// The bytes that encoding makes of a call that is not generic and has few arguments.
    ///
    /// Nearly all calls are such, so this is done by hand.
    var usualForm: [UInt8]? {
        guard genericTypes.isEmpty, arguments.count <= Self.usualCount else { return nil }
        var byteCount = 0
        for argument in arguments { byteCount += argument.count + 5 }
        return FieldWriter.bytes(count: 3 + arguments.count, first: actor, capacity: byteCount) { writer in
            writer.append(arrayOf: 0)
            if let circumstances {
                writer.append(arrayOf: 2)
                if let nanoseconds = circumstances.nanosecondsLeft {
                    writer.append(UInt64(nanoseconds))
                } else {
                    writer.appendNil()
                }
                writer.append(UInt64(circumstances.priority))
            } else {
                writer.appendNil()
            }
            for argument in arguments { writer.append(argument) }
        }
    }

    /// Reads the usual form; nil for any other, and for what is none at all.
    init?(usualForm bytes: ArraySlice<UInt8>) {
        var reader = FieldReader(bytes: bytes)
        do throws(TransportError) {
            let count = try reader.readArrayHeader()
            guard count >= 3 else { return nil }
            actor = try reader.readUInt()
            guard try reader.readArrayHeader() == 0 else { return nil }
            genericTypes = []
            if !reader.readNil() {
                guard try reader.readArrayHeader() == 2 else { return nil }
                var timeLeft: Duration?
                if !reader.readNil() {
                    guard let nanoseconds = Int64(exactly: try reader.readUInt()) else { return nil }
                    timeLeft = .nanoseconds(nanoseconds)
                }
                guard let priority = UInt8(exactly: try reader.readUInt()) else { return nil }
                circumstances = CallCircumstances(timeLeft: timeLeft, priority: priority)
            }
            arguments = []
            arguments.reserveCapacity(min(count - 3, Self.usualCount))
            for _ in 3..<count { arguments.append(try reader.readBinarySlice()) }
            try reader.finish()
        } catch {
            return nil
        }
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        actor = try container.decode(UInt64.self)
        genericTypes = try container.decode([TypeReference].self)
        circumstances = try container.decode(CallCircumstances?.self)
        arguments = []
        while !container.isAtEnd { arguments.append(try container.decode([UInt8].self)[...]) }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(actor)
        try container.encode(genericTypes)
        try container.encode(circumstances)
        for argument in arguments { try container.encode(Array(argument)) }
    }
}
