// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A message between two nodes, as it lies on the wire: one MessagePack array whose first element tells the kind.
///
/// What a message carries is a part of the bytes it was read from, and is not copied.
///
/// | array | sent by | meaning |
/// |---|---|---|
/// | `[0, "zproc", version, build, node, pid]` | caller | first message of a link |
/// | `[1, version, build, node, pid]` | listener | calls may be sent |
/// | `[2, text]` | listener | no calls will be answered, and why |
/// | `[3, id, service, method, arguments]` | caller | a call; `arguments` is binary, its content up to the service |
/// | `[3, id, service, method, arguments, client, number, answered]` | caller | the same, which may be sent again |
/// | `[3, …, [name, value, …]]` | caller | either of them, in the trace that these texts are the context of |
/// | `[4, id, result]` | listener | the call returned; `result` is binary |
/// | `[5, id, code, text, type, payload]` | listener | the call failed; `type` and `payload` are binary, often empty |
/// | `[6, id]` | caller | nobody waits for the answer any more |
/// | `[7]` | listener | nothing; it finds out whether the caller is still there |
/// | `[9, alias, service, method]` | caller | from now on, a number stands for a method of a service |
/// | `[10, id, alias, arguments]` | caller | a call of such a method |
///
/// Over ZeroMQ several may go as one, which is a ``Bundle`` and no envelope.
package enum Envelope: Equatable, Sendable {
    case hello(PeerInfo)
    case welcome(PeerInfo)
    case refused(String)
    case call(
        CallID,
        service: String,
        method: String,
        arguments: ArraySlice<UInt8>,
        request: UpdateRequest? = nil,
        trace: [String] = []
    )
    case success(CallID, result: ArraySlice<UInt8>)
    case failure(CallID, WireError)
    case cancel(CallID)
    case probe
    case alias(UInt64, service: String, method: String)
    case aliasedCall(CallID, alias: UInt64, arguments: ArraySlice<UInt8>)

    /// The version of the protocol this code speaks.
    ///
    /// Nodes of different versions refuse each other.
    package static let protocolVersion = 1
    /// The most bytes that arguments or a result may have; a decoder takes no more than that either.
    package static let maximumByteCount = 256 << 20
    /// The most texts that a trace's context may have.
    package static let maximumTraceCount = 14
    fileprivate static let magic = "zproc"
}

/// Who is at the other end of a link.
package struct PeerInfo: Hashable, Sendable {
    package var protocolVersion: Int
    /// Identity of the peer's program; closures travel only between equal ones.
    package var build: String
    package var node: NodeID
    package var processID: Int

    package init(protocolVersion: Int = Envelope.protocolVersion, build: String, node: NodeID, processID: Int) {
        self.protocolVersion = protocolVersion
        self.build = build
        self.node = node
        self.processID = processID
    }
}

/// One run of one node: a random number, so that a node that comes back at the same address is another one.
package struct NodeID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let number: UInt64

    package init(number: UInt64) { self.number = number }

    package static func random() -> NodeID { NodeID(number: .random(in: 1...UInt64.max)) }

    package init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(UInt64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }

    package var description: String { String(number, radix: 36) }
}

/// A failed call as it crosses the wire.
package struct WireError: Error, Hashable, Sendable, Codable {
    /// A word for programs.
    package var code: String
    /// A sentence for people.
    package var message: String
    /// The MessagePack form of a reference to the error's type, when the error travels itself; else empty.
    package var type: [UInt8]
    /// The MessagePack form of the error itself, when it travels; else empty.
    package var payload: [UInt8]

    package init(code: String, message: String, type: [UInt8] = [], payload: [UInt8] = []) {
        self.code = code
        self.message = message
        self.type = type
        self.payload = payload
    }
}

extension Envelope {
    /// A message's bytes in two parts: what it carries is the second when that is much, and is not copied then.
    package typealias Parts = (head: [UInt8], body: [UInt8])

    /// The number between the others is that of a ``Bundle``.
    private enum Kind: UInt64 {
        case hello, welcome, refused, call, success, failure, cancel, probe
        case alias = 9
        case aliasedCall
    }

    /// The message's bytes.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello(let peer):
            return FieldWriter.bytes(count: 6, first: Kind.hello.rawValue) { writer in
                writer.append(Self.magic)
                writer.append(peer)
            }
        case .welcome(let peer):
            return FieldWriter.bytes(count: 5, first: Kind.welcome.rawValue) { writer in
                writer.append(peer)
            }
        case .refused(let reason):
            return FieldWriter.bytes(count: 2, first: Kind.refused.rawValue) { writer in
                writer.append(reason)
            }
        case .call(let id, let service, let method, let arguments, let request, let trace):
            return Self.call(id, service, method, arguments, copied: true, request, trace)
        case .success(let id, let result): return Self.success(id, result, copied: true)
        case .failure(let id, let error):
            return FieldWriter.bytes(count: 6, first: Kind.failure.rawValue, capacity: error.payload.count) { writer in
                writer.append(id.number)
                writer.append(error.code)
                writer.append(error.message)
                writer.append(error.type)
                writer.append(error.payload)
            }
        case .cancel(let id):
            return FieldWriter.bytes(count: 2, first: Kind.cancel.rawValue) { writer in
                writer.append(id.number)
            }
        case .probe: return FieldWriter.bytes(count: 1, first: Kind.probe.rawValue) { _ in }
        case .alias(let alias, let service, let method):
            return FieldWriter.bytes(count: 4, first: Kind.alias.rawValue, capacity: method.utf8.count) { writer in
                writer.append(alias)
                writer.append(service)
                writer.append(method)
            }
        case .aliasedCall(let id, let alias, let arguments): return Self.call(id, alias, arguments, copied: true)
        }
    }

    /// What is not copied comes last, so there is neither a request nor a trace.
    private static func call(
        _ id: CallID,
        _ service: String,
        _ method: String,
        _ arguments: ArraySlice<UInt8>,
        copied isCopied: Bool,
        _ request: UpdateRequest?,
        _ trace: [String]
    ) -> [UInt8] {
        FieldWriter.bytes(
            count: (request == nil ? 5 : 8) + (trace.isEmpty ? 0 : 1),
            first: Kind.call.rawValue,
            capacity: method.utf8.count + (isCopied ? arguments.count : 0)
        ) { writer in
            writer.append(id.number)
            writer.append(service)
            writer.append(method)
            if isCopied { writer.append(arguments) } else { writer.append(binaryOf: arguments.count) }
            if let request {
                writer.append(request.client)
                writer.append(request.number)
                writer.append(request.answered)
            }
            if !trace.isEmpty { writer.append(trace.prefix(maximumTraceCount)) }
        }
    }

    private static func call(
        _ id: CallID,
        _ alias: UInt64,
        _ arguments: ArraySlice<UInt8>,
        copied isCopied: Bool
    ) -> [UInt8] {
        let capacity = isCopied ? arguments.count : 0
        return FieldWriter.bytes(count: 4, first: Kind.aliasedCall.rawValue, capacity: capacity) { writer in
            writer.append(id.number)
            writer.append(alias)
            if isCopied { writer.append(arguments) } else { writer.append(binaryOf: arguments.count) }
        }
    }

    private static func success(_ id: CallID, _ result: ArraySlice<UInt8>, copied isCopied: Bool) -> [UInt8] {
        FieldWriter.bytes(count: 3, first: Kind.success.rawValue, capacity: isCopied ? result.count : 0) { writer in
            writer.append(id.number)
            if isCopied { writer.append(result) } else { writer.append(binaryOf: result.count) }
        }
    }

    /// More bytes than so many are better not copied.
    private static let copiedByteCount = 64 << 10

    /// The bytes of a ``call``, without one made first: nearly all messages are calls and answers.
    package static func parts(
        ofCall id: CallID,
        service: String,
        method: String,
        arguments: [UInt8],
        request: UpdateRequest? = nil,
        trace: [String] = []
    ) -> Parts {
        let isCopied = arguments.count <= copiedByteCount || request != nil || !trace.isEmpty
        let head = call(id, service, method, arguments[...], copied: isCopied, request, trace)
        return (head, isCopied ? [] : arguments)
    }

    /// The bytes of an ``aliasedCall``.
    package static func parts(ofCall id: CallID, alias: UInt64, arguments: [UInt8]) -> Parts {
        let isCopied = arguments.count <= copiedByteCount
        return (call(id, alias, arguments[...], copied: isCopied), isCopied ? [] : arguments)
    }

    /// The bytes of a ``success``.
    package static func parts(ofSuccess id: CallID, result: [UInt8]) -> Parts {
        let isCopied = result.count <= copiedByteCount
        return (success(id, result[...], copied: isCopied), isCopied ? [] : result)
    }

    /// Reads a message.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - known: has the names of methods that have been called, and learns others.
    /// - Throws: ``TransportError/Code/malformed`` for anything that is not exactly one message.
    package init(decoding bytes: [UInt8], known: KnownStrings? = nil) throws(TransportError) {
        var reader = FieldReader(bytes: bytes)
        let count = try reader.readShortArrayHeader()
        guard let kind = Kind(rawValue: try reader.readUInt()) else { throw reader.malformed("an unknown kind") }
        switch (kind, count) {
        case (.hello, 6):
            guard try reader.readString() == Self.magic else { throw reader.malformed("another protocol's greeting") }
            self = .hello(try reader.readPeer())
        case (.welcome, 5): self = .welcome(try reader.readPeer())
        case (.refused, 2): self = .refused(try reader.readString())
        case (.call, 5), (.call, 6), (.call, 8), (.call, 9):
            let id = CallID(try reader.readUInt())
            let service = try reader.readString(), method = try reader.readString(known: known)
            let arguments = try reader.readBinarySlice()
            var request: UpdateRequest?
            if count >= 8 {
                request = UpdateRequest(
                    client: try reader.readUInt(),
                    number: try reader.readUInt(),
                    answered: try reader.readUInt()
                )
            }
            let trace = count == 6 || count == 9 ? try reader.readStrings(atMost: Self.maximumTraceCount) : []
            self = .call(id, service: service, method: method, arguments: arguments, request: request, trace: trace)
        case (.success, 3): self = .success(CallID(try reader.readUInt()), result: try reader.readBinarySlice())
        case (.failure, 6):
            let id = CallID(try reader.readUInt())
            let code = try reader.readString(), message = try reader.readString()
            self = .failure(
                id,
                WireError(
                    code: code,
                    message: message,
                    type: try reader.readBinary(),
                    payload: try reader.readBinary()
                )
            )
        case (.cancel, 2): self = .cancel(CallID(try reader.readUInt()))
        case (.probe, 1): self = .probe
        case (.alias, 4):
            let alias = try reader.readUInt(), service = try reader.readString()
            self = .alias(alias, service: service, method: try reader.readString())
        case (.aliasedCall, 4):
            let id = CallID(try reader.readUInt()), alias = try reader.readUInt()
            self = .aliasedCall(id, alias: alias, arguments: try reader.readBinarySlice())
        default: throw reader.malformed("\(count) elements")
        }
        try reader.finish()
    }
}
