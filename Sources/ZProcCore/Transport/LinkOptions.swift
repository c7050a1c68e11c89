// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How a listener treats those who connect.
public struct ListenOptions: Sendable {
    /// The listener's own keys; with them everything is encrypted, and whoever connects must have keys too.
    public var keys: KeyPair?
    /// Asked about the key of everybody who connects; those are let in for whom it is true.
    ///
    /// Only with ``keys``. Runs on the transport's thread.
    public var admits: @Sendable (PublicKey) -> Bool = { _ in true }
    /// How many messages may wait for one peer that does not take them; nil for any number.
    ///
    /// A peer with more is lost: its calls are cancelled, and it has to connect anew.
    public var sendHighWaterMark: Int?
    /// How many messages of one peer are taken in before they are looked at; nil for any number.
    ///
    /// A peer that sends more is slowed down.
    public var receiveHighWaterMark: Int?
    /// The largest message that is taken, in bytes; a peer that sends a larger one is cut off.
    ///
    /// Nil for any size.
    public var maximumMessageByteCount: Int?
    /// How often the host of a peer that is silent is asked whether it lives; nil for never.
    ///
    /// Three times as long after its last sign of life the peer is lost. A peer that stands still is lost when it has
    /// promised heartbeats: see ``ConnectOptions/heartbeat``. At `unix://` both sides need the same interval.
    public var heartbeat: Duration?
    /// Whether only processes of the same user may connect, by what the system says of them; `unix://` and
    /// `ipc://` only.
    public var isForOwnUserOnly = false

    /// Makes options that let everybody in.
    public init() {}
}

/// How a link is opened.
public struct ConnectOptions: Sendable {
    /// Who this side is, and the key that the other side must have; nil for no encryption.
    public var keys: (own: KeyPair, server: PublicKey)?
    /// How often a peer that is silent is asked whether it lives; nil for never.
    ///
    /// Three times as long after its last sign of life it is lost. At `unix://` both sides need the same interval.
    public var heartbeat: Duration?

    /// Makes options of a link without encryption.
    public init() {}
}
