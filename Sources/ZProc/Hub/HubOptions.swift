// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProcCore

/// Who may connect to a published context, and what they may do there.
public struct HubOptions: Sendable {
    /// The hub's keys and those it lets in; nil for no encryption, and everybody who can connect may do everything.
    public var keys: HubKeys?
    /// Whether to listen without ``keys`` where other machines can connect.
    ///
    /// Everybody on that network can then run code as this user.
    public var isInsecure = false
    /// What a client may take of the hub.
    public var limits = HubLimits()

    /// Makes options with these values.
    public init(keys: HubKeys? = nil) { self.keys = keys }
}

/// What clients may take of a hub; what is beyond is refused with `overLimit`, and the client goes on.
public struct HubLimits: Hashable, Sendable, Codable {
    /// How many clients may be connected.
    public var peers = 10_000
    /// How many calls of a client may be under way, its watches included.
    public var callsInFlight = 10_000
    /// How many requests a client may make in a second; nil for any number.
    public var requestsPerSecond: Int?
    /// How many bytes a message of a client may have, 256 MiB and a little more at most, and 9 KiB at least; a client that
    /// sends a larger one is cut off.
    public var messageByteCount = 257 << 20
    /// How many requests of a client are taken in before the hub has looked at them; a client that sends more is slowed
    /// down.
    ///
    /// Over ZeroMQ small ones come in bundles of up to 128 and 8 KiB, of which each counts as one.
    public var requestBacklog = 100
    /// How many answers may wait for a client that does not take them; one with more is disconnected.
    ///
    /// Over ZeroMQ a bundle of them counts as one.
    public var unreadMessages = 10_000
    /// How many namespaces there may be before clients may make no more.
    public var namespaces = 10_000

    /// Makes limits with these values.
    public init() {}
}

/// The keys of a hub: its own, and whom it lets in.
public struct HubKeys: Hashable, Sendable {
    /// Those of the hub.
    public var own: KeyPair
    /// Who may do what; other keys are turned away before they can say anything.
    public var allowed: [PublicKey: Role]

    /// Makes keys of their parts.
    public init(own: KeyPair, allowed: [PublicKey: Role]) {
        self.own = own
        self.allowed = allowed
    }
}

/// What a client needs to connect to a hub with keys.
public struct Credentials: Hashable, Sendable {
    /// The client's keys.
    public var own: KeyPair
    /// The public key that the hub must have.
    public var hub: PublicKey

    /// Makes credentials of their parts.
    public init(own: KeyPair, hub: PublicKey) {
        self.own = own
        self.hub = hub
    }
}
