// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// One key of CURVE, ZeroMQ's encryption: 32 bytes, written as 40 characters of Z85.
public struct CurveKey: Hashable, Sendable {
    /// The 32 bytes of the key.
    public let bytes: [UInt8]

    /// Takes 32 bytes; nil for any other number.
    public init?(bytes: [UInt8]) {
        if bytes.count != 32 { return nil }
        self.bytes = bytes
    }

    /// Reads 40 characters of Z85 (ZeroMQ RFC 32); nil for anything else.
    public init?(z85 text: String) {
        if text.utf8.count != 40 { return nil }
        var bytes = [UInt8](repeating: 0, count: 32)
        if zmq_z85_decode(&bytes, text) == nil { return nil }
        self.bytes = bytes
    }

    /// The key as 40 characters of Z85.
    public var z85: String {
        var text = [CChar](repeating: 0, count: 41)
        zmq_z85_encode(&text, bytes, bytes.count)
        return String(decoding: text.prefix(40).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A public key and the secret key that goes with it.
public struct CurveKeyPair: Hashable, Sendable {
    /// The key to give away.
    public let publicKey: CurveKey
    /// The key to keep.
    public let secretKey: CurveKey

    /// Makes a pair of two keys that are known to belong together.
    public init(publicKey: CurveKey, secretKey: CurveKey) {
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// Makes a new pair from the system's random numbers.
    ///
    /// - Throws: ``ZeroMQError/Code/notSupported`` when libzmq has been built without CURVE.
    public static func generate() throws(ZeroMQError) -> CurveKeyPair {
        var publicText = [CChar](repeating: 0, count: 41)
        var secretText = [CChar](repeating: 0, count: 41)
        let result = errorNumber { zmq_curve_keypair(&publicText, &secretText) }
        guard result == 0, let publicKey = CurveKey(z85: publicText), let secretKey = CurveKey(z85: secretText) else {
            throw ZeroMQError(result == 0 ? ENOTSUP : result, while: "make a pair of CURVE keys")
        }
        return CurveKeyPair(publicKey: publicKey, secretKey: secretKey)
    }
}

extension CurveKey {
    fileprivate init?(z85 text: [CChar]) {
        self.init(z85: String(decoding: text.prefix(40).map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
}

extension Socket {
    /// Makes this socket accept only peers that encrypt with CURVE and know its public key.
    ///
    /// Which peers' keys are welcome is for an authenticator to say; without one, all are. Call it before binding.
    public func useCurve(asServerWith keys: CurveKeyPair) throws(ZeroMQError) {
        try set(.curveServer, to: true)
        try set(.curvePublicKey, to: keys.publicKey)
        try set(.curveSecretKey, to: keys.secretKey)
    }

    /// Makes this socket encrypt with CURVE and talk only to the server with the given key.
    ///
    /// Call it before connecting.
    public func useCurve(with keys: CurveKeyPair, server: CurveKey) throws(ZeroMQError) {
        try set(.curveServerKey, to: server)
        try set(.curvePublicKey, to: keys.publicKey)
        try set(.curveSecretKey, to: keys.secretKey)
    }
}
