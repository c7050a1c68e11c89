// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

extension Message {
    /// The size in bytes.
    public var count: Int {
        withUnsafePointer(to: frame) { czeromq_frame_size($0) }
    }

    /// Whether there are no bytes.
    public var isEmpty: Bool {
        count == 0
    }

    /// Whether more frames of the same multipart message follow this received one.
    public var more: Bool {
        withUnsafePointer(to: frame) { czeromq_frame_more($0) } != 0
    }

    /// Gives `body` the bytes, which must not be used after it returns.
    public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafePointer(to: frame) { (frame) throws(Failure) -> Result in
            try body(UnsafeRawBufferPointer(start: czeromq_frame_data(frame), count: czeromq_frame_size(frame)))
        }
    }

    /// Gives `body` the bytes as a span that cannot outlive it.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBytes { (bytes) throws(Failure) -> Result in try body(bytes.bytes) }
    }

    /// Makes a second message with the same contents.
    ///
    /// Long contents are shared and counted, not copied. Nobody may write to shared contents.
    public mutating func share() -> Message {
        var copy = czeromq_frame()
        czeromq_frame_init(&copy)
        let result = czeromq_frame_copy(&copy, &frame)
        precondition(result == 0, "a message that has not been given away can be shared")
        return Message(adopting: copy)
    }

    /// A fact about the connection a received message came by.
    public struct Property: Sendable {
        let name: StaticString

        /// The address of the peer, for tcp.
        public static let peerAddress = Property(name: "Peer-Address")
        /// The user id that the authenticator gave the peer.
        public static let userID = Property(name: "User-Id")
        /// The routing id that the peer has set for itself.
        public static let routingID = Property(name: "Routing-Id")
        /// The name of the peer's socket kind, such as `DEALER`.
        public static let socketType = Property(name: "Socket-Type")
    }

    /// A fact about the connection the message was received by; nil where there is none, as with inproc.
    public subscript(property: Property) -> String? {
        withUnsafePointer(to: frame) { frame in
            property.name.utf8Start.withMemoryRebound(to: CChar.self, capacity: property.name.utf8CodeUnitCount + 1) {
                czeromq_frame_property(frame, $0).map { String(cString: $0) }
            }
        }
    }
}

extension Array where Element == UInt8 {
    /// Copies a message's bytes.
    public init(_ message: borrowing Message) {
        self = message.withUnsafeBytes { Array($0) }
    }
}

extension String {
    /// Reads a message's bytes as UTF-8; what is not valid becomes replacement characters.
    public init(_ message: borrowing Message) {
        self = message.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
