// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ
internal import Synchronization

/// A setting of a socket, with the type of its value.
///
/// Most settings are looked at when a connection is made: set them before ``Socket/bind(to:)`` or
/// ``Socket/connect(to:)``. Meanings and defaults, but for ``linger``, are those of zmq_setsockopt(3).
public struct SocketOption<Value: Sendable>: Sendable {
    let number: Int32
    let name: StaticString
    /// The room for a value that is read; libzmq insists on the exact size of numbers and keys.
    let size: Int
    let encode: @Sendable (Value) -> RawOptionValue?
    let decode: @Sendable ([UInt8]) -> Value?
}

/// A value as libzmq takes it.
enum RawOptionValue {
    case int32(Int32)
    case int64(Int64)
    case bytes([UInt8])

    /// Runs `body` with the value in memory.
    func withMemory<Result>(_ body: (UnsafeRawPointer?, Int) -> Result) -> Result {
        switch self {
        case .int32(let value): withUnsafeBytes(of: value) { body($0.baseAddress, $0.count) }
        case .int64(let value): withUnsafeBytes(of: value) { body($0.baseAddress, $0.count) }
        case .bytes(let bytes): bytes.withUnsafeBytes { body($0.baseAddress, $0.count) }
        }
    }
}

extension Socket {
    /// Sets an option.
    ///
    /// - Throws: ``ZeroMQError/Code/invalidArgument`` when the value is out of range or the kind of socket has no such
    ///   option, ``ZeroMQError/Code/closed`` after closing.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(ZeroMQError) {
        var result = EINVAL
        if let raw = option.encode(value) {
            result = core.withHandle { handle in
                errorNumber { raw.withMemory { zmq_setsockopt(handle, option.number, $0, $1) } }
            }
        }
        if result != 0 { throw ZeroMQError(result, while: "set \(option.name) of a \(kind) socket") }
    }

    /// Reads an option.
    ///
    /// - Throws: ``ZeroMQError/Code/invalidArgument`` when the option can only be set, ``ZeroMQError/Code/closed`` after
    ///   closing.
    public func get<Value>(_ option: SocketOption<Value>) throws(ZeroMQError) -> Value {
        var size = option.size
        var bytes = [UInt8](repeating: 0, count: size)
        let result = core.withHandle { handle in
            errorNumber { zmq_getsockopt(handle, option.number, &bytes, &size) }
        }
        guard result == 0, let value = option.decode(Array(bytes.prefix(size))) else {
            throw ZeroMQError(result == 0 ? EINVAL : result, while: "read \(option.name) of a \(kind) socket")
        }
        return value
    }

    /// Receives messages whose first bytes are `prefix`; all messages for an empty one.
    public func subscribe(to prefix: [UInt8] = []) throws(ZeroMQError) {
        try set(.subscription, to: prefix)
    }

    /// Receives messages that begin with the UTF-8 bytes of `prefix`.
    public func subscribe(to prefix: String) throws(ZeroMQError) {
        try set(.subscription, to: Array(prefix.utf8))
    }

    /// Undoes one subscription with the same prefix.
    public func unsubscribe(from prefix: [UInt8] = []) throws(ZeroMQError) {
        try set(.unsubscription, to: prefix)
    }

    /// Undoes one subscription with the same prefix.
    public func unsubscribe(from prefix: String) throws(ZeroMQError) {
        try set(.unsubscription, to: Array(prefix.utf8))
    }
}
