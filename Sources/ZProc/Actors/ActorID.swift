// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import ZProcCore

/// Which distributed actor: the node it lives on, and its number there.
///
/// Encoding the id of an actor that lives here makes the node listen, so that whoever receives the id can call.
public struct ActorID: Hashable, Sendable, CustomStringConvertible {
    let node: NodeID
    let number: UInt64
    /// Where the node is reached; nil for an actor of this process that nobody else knows yet.
    let endpoint: Endpoint?
    /// Whether the actor comes back under the same id when its process has ended, because it is supervised.
    let comesBack: Bool

    init(node: NodeID, number: UInt64, endpoint: Endpoint? = nil, comesBack: Bool = false) {
        self.comesBack = comesBack
        self.node = node
        self.number = number
        self.endpoint = endpoint
    }

    var address: NodeAddress? { endpoint.map { NodeAddress(endpoint: $0, node: node) } }

    /// Whether both name the same actor.
    public static func == (left: ActorID, right: ActorID) -> Bool {
        left.node == right.node && left.number == right.number
    }

    /// Hashes what makes actors the same.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(node)
        hasher.combine(number)
    }

    /// Reads as `node/number`.
    public var description: String { "\(node)/\(number)" }
}

extension ActorID: Codable {
    /// Reads `[node, number, endpoint]`, and true after them for an actor that comes back.
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        node = try container.decode(NodeID.self)
        number = try container.decode(UInt64.self)
        endpoint = try container.decode(Endpoint.self)
        comesBack = try container.isAtEnd ? false : container.decode(Bool.self)
    }

    /// Writes `[node, number, endpoint]`, and true after them for an actor that comes back; an actor that lives here needs the system in
    /// `userInfo[.actorSystemKey]`, as it is wherever this library encodes.
    public func encode(to encoder: any Encoder) throws {
        let endpoint: Endpoint
        if let known = self.endpoint {
            endpoint = known
        } else if let system = encoder.userInfo[.actorSystemKey] as? ZProcSystem, system.node.id == node {
            endpoint = try system.node.address().endpoint
        } else {
            throw EncodingError.invalidValue(
                self,
                .init(
                    codingPath: encoder.codingPath,
                    debugDescription: "the actor \(self) can be sent by its own system only: "
                        + "put that into the encoder's userInfo[.actorSystemKey]"
                )
            )
        }
        var container = encoder.unkeyedContainer()
        try container.encode(node)
        try container.encode(number)
        try container.encode(endpoint)
        if comesBack { try container.encode(true) }
    }
}
