// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// When a state that is kept in a file is written to the disk itself.
///
/// Whatever is chosen, a process that is killed loses nothing: what has been committed is with the operating system. The
/// choice is about the machine: power failures, kernel crashes.
public enum StateSync: Hashable, Sendable, Codable {
    /// Before each commit returns.
    case eachCommit
    /// Every so often.
    ///
    /// When the machine stops, the state is as it was at the last sync. Until the next one no part of the file is used
    /// again, so the file grows by what is committed in a period.
    case periodic(Duration)
    /// When the context ends, and whenever the operating system likes.
    ///
    /// When the machine stops while the state is open, the file is lost: opening it is an error.
    case none
}
