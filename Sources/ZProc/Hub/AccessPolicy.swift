// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Who may do what at an endpoint, and how much of it; as it is made, everybody may do everything.
struct AccessPolicy: Sendable {
    /// Nil where links are not encrypted.
    var keys: HubKeys?
    /// Nil among the processes of one context.
    var limits: HubLimits?

    /// How the transport lets callers in.
    var listenOptions: ListenOptions {
        var options = ListenOptions()
        if let keys {
            options.keys = keys.own
            let allowed = keys.allowed
            options.admits = { allowed[$0] != nil }
        }
        if let limits {
            options.sendHighWaterMark = max(1, limits.unreadMessages)
            options.receiveHighWaterMark = max(1, limits.requestBacklog)
            options.maximumMessageByteCount = max(Bundle.maximumByteCount, limits.messageByteCount)
            options.heartbeat = Self.heartbeat
            options.isForOwnUserOnly = true
        }
        return options
    }

    /// How often a silent client or hub is asked whether it lives.
    static let heartbeat: Duration = .seconds(2)

    func makeRateLimit() -> RateLimit? { limits?.requestsPerSecond.map { RateLimit(perSecond: $0) } }

    /// Why the owner of a key may not do what needs a role; nil when it may.
    func refusal(of key: PublicKey?, _ needed: Role, _ name: @autoclosure () -> String) -> WireError? {
        guard let keys else { return nil }
        let role = key.flatMap { keys.allowed[$0] }
        if let role, role >= needed { return nil }
        let owner = role.map { "a \($0.rawValue)'s" } ?? "unknown"
        return WireError(
            code: WireError.forbidden,
            message: "\(name()) is for a \(needed.rawValue), and this key is \(owner)"
        )
    }
}

extension WireError {
    static let forbidden = "forbidden"
    static let overLimit = "overLimit"

    /// A client wants more than it may.
    static func overLimit(_ what: String) -> WireError {
        WireError(code: overLimit, message: "\(what): the limit of this hub; nothing was done")
    }
}
