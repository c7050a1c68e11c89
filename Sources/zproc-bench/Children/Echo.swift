// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What both echoes have in common.
enum Echo {
    /// Bytes of a message.
    static let payload = 64
    /// Messages or calls on their way at a time, where throughput is measured.
    static let inFlight = 1000
    /// How long a server may take to start.
    static let patience: Duration = .seconds(10)
}
