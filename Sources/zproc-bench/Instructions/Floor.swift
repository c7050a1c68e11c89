// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import Synchronization
import ZProc

/// What the language takes by itself where ours goes through it: a decoder that reads nothing, and a system of
/// distributed actors that neither encodes nor sends.
enum Floor {
    /// Makes structs of constants by their `init(from:)`.
    static func decode(_ count: Int) throws {
        var items: [StructSample.Item] = []
        items.reserveCapacity(count)
        for _ in 0..<count { items.append(try StructSample.Item(from: ConstantDecoder())) }
        if items.count != count { throw BenchError("no struct has been made") }
    }

    /// A proxy whose calls are carried out by a task of this process.
    static func withCounter(_ body: (_ increment: @escaping @Sendable () async throws -> Int) async throws -> Void)
        async throws
    {
        let system = BareSystem()
        let counter = BareCounter(actorSystem: system)
        let proxy = try BareCounter.resolve(id: BareSystem.remote, using: system)
        try await body { try await proxy.increment(by: 1) }
        // It holds its system, and is held by it.
        withExtendedLifetime(counter) { system.forgetActor() }
    }
}

private let otherTypes = BenchError("the sample is of other types now")

private struct ConstantDecoder: Decoder {
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(ConstantContainer<Key>())
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw otherTypes }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw otherTypes }
}

/// Has what ``StructSample`` asks for; its strings are made of bytes, as they are of a message's.
private struct ConstantContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }
    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { false }
    func decode(_ type: Bool.Type, forKey key: Key) -> Bool { true }
    func decode(_ type: Int.Type, forKey key: Key) -> Int { 42 }
    func decode(_ type: Double.Type, forKey key: Key) -> Double { 31.5 }
    func decode(_ type: String.Type, forKey key: Key) -> String { text("item number 4242") }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        if type == [String].self {
            let tags = [text("red"), text("number-42"), text("a tag of more than fifteen bytes")]
            // Not a cast, for which a decoder has no use.
            return unsafeBitCast(tags, to: T.self)
        }
        return try T(from: ConstantDecoder())
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw otherTypes }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw otherTypes }
    func superDecoder() throws -> any Decoder { throw otherTypes }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw otherTypes }

    private func text(_ bytes: StaticString) -> String {
        bytes.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    }
}

private distributed actor BareCounter {
    typealias ActorSystem = BareSystem

    private var count = 0

    distributed func increment(by number: Int) -> Int {
        count += number
        return count
    }
}

/// Has one actor, and carries a call of its proxy out as a receiver does: on a task, through Swift's runtime.
///
/// It knows already that an integer goes in and one comes out, as ``ZProcSystem`` does after a method's first call.
private final class BareSystem: DistributedActorSystem {
    typealias ActorID = Int
    typealias SerializationRequirement = any Codable
    typealias InvocationEncoder = BareEncoder
    typealias InvocationDecoder = BareDecoder
    typealias ResultHandler = BareHandler

    static let remote = 1

    private let actor = Mutex<BareCounter?>(nil)
    private let method = Mutex<Method?>(nil)

    func resolve<Act: DistributedActor>(id: Int, as type: Act.Type) -> Act? where Act.ID == Int { nil }
    func assignID<Act: DistributedActor>(_ type: Act.Type) -> Int where Act.ID == Int { 0 }
    func actorReady<Act: DistributedActor>(_ actor: Act) where Act.ID == Int {
        self.actor.withLock { $0 = actor as? BareCounter }
    }
    func resignID(_ id: Int) {}
    func forgetActor() { actor.withLock { $0 = nil } }
    func makeInvocationEncoder() -> BareEncoder { BareEncoder() }

    func remoteCall<Act: DistributedActor, Err: Error, Res: Codable>(
        on actor: Act,
        target: RemoteCallTarget,
        invocation: inout BareEncoder,
        throwing: Err.Type,
        returning: Res.Type
    ) async throws -> Res where Act.ID == Int {
        guard let local = self.actor.withLock(\.self) else { throw otherTypes }
        let name = target.identifier, argument = invocation.argument
        let method = method.withLock { known in
            if let known { return known }
            let method = Method(name)
            known = method
            return method
        }
        let result = try await withUnsafeThrowingContinuation { waiter in
            Task {
                do {
                    waiter.resume(returning: try await method.execute(on: local, argument))
                } catch {
                    waiter.resume(throwing: error)
                }
            }
        }
        if Res.self != Int.self { throw otherTypes }
        return unsafeBitCast(result, to: Res.self)
    }

    func remoteCallVoid<Act: DistributedActor, Err: Error>(
        on actor: Act,
        target: RemoteCallTarget,
        invocation: inout BareEncoder,
        throwing: Err.Type
    ) async throws where Act.ID == Int { throw otherTypes }
}

/// The counter's method, as Swift's runtime knows it.
///
/// `@unchecked`: what the pointers refer to is written in `init` and read after that.
private final class Method: @unchecked Sendable {
    private let name: UnsafeMutableBufferPointer<UInt8>
    private let argumentTypes: UnsafeMutablePointer<any Any.Type>

    init(_ name: String) {
        self.name = .allocate(capacity: name.utf8.count)
        _ = self.name.initialize(from: name.utf8)
        argumentTypes = .allocate(capacity: 1)
        argumentTypes.initialize(to: Int.self)
    }

    deinit {
        name.deallocate()
        argumentTypes.deallocate()
    }

    func execute(on actor: BareCounter, _ argument: Int) async throws -> Int {
        guard let start = name.baseAddress else { throw otherTypes }
        var decoder = BareDecoder(argument: argument)
        let result = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        defer { result.deallocate() }
        // Later runtimes may be entered in another way.
        #if compiler(<6.4)
        // What Swift's own ends in, without the types that it reads from the method's name each time.
        try await executeDistributedTarget(
            on: actor,
            start,
            UInt(name.count),
            argumentDecoder: &decoder,
            argumentTypes: argumentTypes,
            resultBuffer: result,
            substitutions: nil,
            witnessTables: nil,
            numWitnessTables: 0
        )
        return result.move()
        #else
        throw BenchError("this release of Swift may carry calls out in another way")
        #endif
    }
}

private struct BareEncoder: DistributedTargetInvocationEncoder {
    typealias SerializationRequirement = any Codable

    private(set) var argument = 0

    mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
        if Value.self != Int.self { throw otherTypes }
        self.argument = unsafeBitCast(argument.value, to: Int.self)
    }
    mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {}
    mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}
    mutating func recordReturnType<R: Codable>(_ type: R.Type) throws {}
    mutating func doneRecording() throws {}
}

private struct BareDecoder: DistributedTargetInvocationDecoder {
    typealias SerializationRequirement = any Codable

    let argument: Int

    mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        if Argument.self != Int.self { throw otherTypes }
        // Not a cast, for which a decoder has no use.
        return unsafeBitCast(argument, to: Argument.self)
    }
    mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { [] }
    mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
    mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}

private struct BareHandler: DistributedTargetInvocationResultHandler {
    typealias SerializationRequirement = any Codable

    func onReturn<Success: Codable>(value: Success) async throws {}
    func onReturnVoid() async throws {}
    func onThrow<Err: Error>(error: Err) async throws {}
}
