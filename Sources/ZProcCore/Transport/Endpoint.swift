// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Where a node listens: `unix://path`, `ipc://path`, `tcp://host:port` or `inproc://name`.
public struct Endpoint: Hashable, Sendable {
    /// How bytes get there.
    public enum Scheme: String, Sendable {
        /// A Unix domain socket on this machine, between programs in Swift; the address is its path.
        case unix
        /// The same with ZeroMQ, which other languages speak too.
        case ipc
        /// TCP with ZeroMQ; the address is `host:port`, where port `*` asks for a free one when listening.
        case tcp
        /// Another node of this process; the address is any name.
        case inproc
    }

    /// How bytes get there.
    public let scheme: Scheme
    /// What follows `scheme://`.
    public let address: String

    /// The longest path a Unix domain socket can have on Linux, in bytes.
    public static let maximumPathByteCount = 107

    /// Reads an address such as `ipc:///tmp/hub.sock` or `tcp://127.0.0.1:5000`.
    ///
    /// - Throws: ``TransportError`` with ``TransportError/Code/invalidEndpoint`` that says what is wrong.
    public init(_ text: String) throws(TransportError) {
        guard let separator = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: String(text[..<separator.lowerBound]))
        else {
            throw TransportError(
                .invalidEndpoint,
                "'\(text)' is not an endpoint; write unix://PATH, ipc://PATH, tcp://HOST:PORT or inproc://NAME"
            )
        }
        try self.init(scheme, String(text[separator.upperBound...]))
    }

    /// Makes an endpoint of its parts.
    ///
    /// - Throws: ``TransportError`` with ``TransportError/Code/invalidEndpoint`` that says what is wrong.
    public init(_ scheme: Scheme, _ address: String) throws(TransportError) {
        guard !address.isEmpty else {
            throw TransportError(.invalidEndpoint, "'\(scheme.rawValue)://' lacks an address")
        }
        guard !address.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw TransportError(
                .invalidEndpoint,
                "the address \(address.debugDescription) has a control character in it"
            )
        }
        switch scheme {
        case .inproc:
            break
        case .unix, .ipc:
            guard address.utf8.count <= Self.maximumPathByteCount else {
                throw TransportError(
                    .invalidEndpoint,
                    "'\(scheme.rawValue)://\(address)' has a path of \(address.utf8.count) bytes; at most "
                        + "\(Self.maximumPathByteCount) are possible, use a shorter directory"
                )
            }
        case .tcp:
            let colon = address.lastIndex(of: ":")
            let host = colon.map { address[..<$0] } ?? "",
                port = colon.map { address[address.index(after: $0)...] } ?? ""
            guard !host.isEmpty, port == "*" || UInt16(port) != nil else {
                throw TransportError(
                    .invalidEndpoint,
                    "'tcp://\(address)' needs a host and a port from 0 to 65535, such as tcp://127.0.0.1:5000"
                )
            }
        }
        self.scheme = scheme
        self.address = address
    }

    /// Where a node named `name` listens beside this one: in the same directory, or at a free port of the same host.
    package func beside(_ name: String) throws(TransportError) -> Endpoint {
        switch scheme {
        case .unix, .ipc:
            // The system's abstract names, with an @ first, are in no directory.
            guard let slash = address.lastIndex(of: "/") else { return try Endpoint(scheme, "\(address)-\(name)") }
            return try Endpoint(scheme, "\(address[...slash])\(name)")
        case .tcp:
            return try Endpoint(.tcp, "\(address[..<(address.lastIndex(of: ":") ?? address.endIndex)]):*")
        case .inproc: return try Endpoint(.inproc, name)
        }
    }
}

extension Endpoint: CustomStringConvertible, Codable {
    /// Reads as `scheme://address`.
    public var description: String { "\(scheme.rawValue)://\(address)" }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
