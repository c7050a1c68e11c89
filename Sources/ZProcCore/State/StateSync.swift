// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// When a state that is kept in a file is written to the disk itself.
///
/// Whatever is chosen, a process that is killed loses nothing: what has been committed is with the operating system. The
/// choice is about the machine: power failures, kernel crashes.
public enum StateSync: Hashable, Sendable, Codable {
    /// Before each commit returns.
    case eachCommit
    /// Every so often: the machine's end loses at most the changes of one period.
    case periodic(Duration)
    /// When the context ends, and whenever the operating system likes.
    case none
}
