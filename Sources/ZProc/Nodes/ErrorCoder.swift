// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// Takes errors across the wire: `Codable` ones as themselves, others as ``RemoteError``.
struct ErrorCoder: Sendable {
    private static let thrown = "thrown"
    private static let cancelled = "cancelled"
    /// What the callee's node says by itself, not a method that it has carried out.
    static let actorNotFound = "actorNotFound"

    let processID: Int
    let userInfo: [CodingUserInfoKey: any Sendable]

    func encode(_ error: any Error) -> WireError {
        if error is CancellationError { return WireError(code: Self.cancelled, message: "cancelled") }
        if let error = error as? WireError { return error }
        if let codable = error as? any (Error & Codable), let travelling = encodeItself(codable) { return travelling }
        let stand = RemoteError(
            typeName: String(reflecting: type(of: error)),
            message: String(describing: error),
            processID: processID
        )
        return encodeItself(stand) ?? WireError(code: Self.thrown, message: stand.description)
    }

    private func encodeItself(_ error: some Error & Codable) -> WireError? {
        var encoder = MessagePackEncoder()
        encoder.userInfo = userInfo
        guard let type = try? encoder.encode(TypeReference(Swift.type(of: error))),
            let payload = try? encoder.encode(error)
        else { return nil }
        return WireError(
            code: Self.thrown,
            message: "\(Swift.type(of: error)): \(error)",
            type: type,
            payload: payload
        )
    }

    /// The error as it was thrown, when its type is known here.
    func decode(_ error: WireError) -> any Error {
        if error.code == Self.cancelled { return CancellationError() }
        if error.code == Self.actorNotFound { return CallError(.actorNotFound, error.message) }
        if error.code == WireError.forbidden { return CallError(.forbidden, error.message) }
        if error.code == WireError.overLimit { return CallError(.overLimit, error.message) }
        var decoder = MessagePackDecoder()
        decoder.userInfo = userInfo
        if !error.type.isEmpty,
            let type = try? decoder.decode(TypeReference.self, from: error.type).resolve()
                as? any (Error & Codable).Type,
            let original = try? decoder.decode(type, from: error.payload)
        {
            return original
        }
        return RemoteError(typeName: error.code, message: error.message, processID: processID)
    }
}
