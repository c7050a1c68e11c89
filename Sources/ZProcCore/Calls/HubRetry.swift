// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// When a call to a hub is made again, and when it is given up.
///
/// Never suspends, locks, reads a clock or calls out.
package struct HubRetry {
    private let patience: Duration
    private var awaySince: ContinuousClock.Instant?
    private var pause = HubRetry.firstPause
    private var lastConnect: ContinuousClock.Instant?
    private var quickLosses = 0
    private var refusals = 0
    /// Whether the call has ever reached a connection that stood.
    package private(set) var wasSent = false

    package static let firstPause: Duration = .milliseconds(10)
    package static let longestPause: Duration = .seconds(1)

    /// - Parameters:
    ///   - patience: how long the hub may be away.
    ///   - byteCount: how long the call's arguments are.
    package init(patience: Duration, byteCount: Int) {
        self.patience = patience
        mostQuickLosses = byteCount < Self.smallCall ? Self.mostQuickLossesOfSmallCall : Self.mostQuickLosses
    }

    /// So many connections in a row may end right after the call was sent, before it is to blame.
    package static let mostQuickLosses = 5
    /// The same for a short call, which is hardly too long for a hub: one that waits for a change is there whenever a bad
    /// network ends a connection.
    package static let mostQuickLossesOfSmallCall = 50
    /// Calls with fewer bytes of arguments are short.
    package static let smallCall = 1_024
    private let mostQuickLosses: Int

    /// Whether the hub ends the connection whenever it is sent the call.
    package var isCutOff: Bool { quickLosses >= mostQuickLosses }

    /// So many greetings in a row may fail with a hub that has let this client in before: a network may have spoilt them.
    package static let mostRefusals = 5

    /// A hub that has let this client in before does not do so now.
    ///
    /// - Parameter jitter: a part of the pause.
    /// - Returns: how long to wait before the next try; nil to give up.
    package mutating func refused(jitter: Double) -> Duration? {
        refusals += 1
        guard refusals <= Self.mostRefusals else { return nil }
        return Self.firstPause * (1 << refusals) * jitter
    }

    /// The hub is there.
    package mutating func connected(now: ContinuousClock.Instant) {
        awaySince = nil
        refusals = 0
        lastConnect = now
    }

    /// The hub was not there, or went away.
    ///
    /// - Parameters:
    ///   - isSent: whether the call may have got there.
    ///   - now: the time.
    ///   - jitter: a part of the pause, so that clients do not all come back at once.
    /// - Returns: how long to wait before the next try; nil to give up.
    package mutating func failed(isSent: Bool, now: ContinuousClock.Instant, jitter: Double) -> Duration? {
        if isSent {
            wasSent = true
            let isQuick = lastConnect.map { now - $0 < .seconds(1) } ?? false
            quickLosses = isQuick ? quickLosses + 1 : 0
            if !isQuick { pause = Self.firstPause }
            if isCutOff { return nil }
        }
        let since = awaySince ?? now
        awaySince = since
        guard now - since < patience else { return nil }
        defer { pause = min(pause * 2, Self.longestPause) }
        return min(pause * jitter, patience - (now - since))
    }
}
