// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Keeps the content of one namespace.
///
/// Updates are serializable and linearizable: one at a time, and a snapshot taken after one returned has it in it. An
/// update whose closure throws changes nothing.
package protocol StateEngine: Sendable {
    /// The newest revision. Cost: O(1); never waits for an update that runs.
    func snapshot() -> Snapshot

    /// Runs `body` on a draft of the newest revision and publishes the draft. Never runs `body` twice.
    func update<Result: Sendable>(_ body: @Sendable (inout Draft) throws -> Result) async throws -> Result
}
