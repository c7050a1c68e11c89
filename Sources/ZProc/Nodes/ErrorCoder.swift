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
    ///
    /// - Parameters:
    ///   - error: what came.
    ///   - thrower: the process that it came from; nil when that is not known.
    /// - Returns: the error, or a ``RemoteError`` that stands for it.
    func decode(_ error: WireError, processID thrower: Int? = nil) -> any Error {
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
        return standIn(for: error, processID: thrower ?? 0, decoder)
    }

    /// What is said of an error whose type is not known here, such as that of another program.
    private func standIn(for error: WireError, processID: Int, _ decoder: MessagePackDecoder) -> RemoteError {
        guard error.code == Self.thrown, let colon = error.message.firstRange(of: ": ") else {
            return RemoteError(typeName: error.code, message: error.message, processID: processID)
        }
        let typeName = error.message[..<colon.lowerBound]
        if typeName == "\(RemoteError.self)", let known = try? decoder.decode(RemoteError.self, from: error.payload) {
            return known
        }
        return RemoteError(
            typeName: String(typeName),
            message: String(error.message[colon.upperBound...]),
            processID: processID
        )
    }
}
