// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Which children are started again when one of them has to be.
///
/// Whether it has to be is decided by its ``RestartRule``.
public enum SupervisionStrategy: String, Sendable, Codable, CaseIterable {
    /// That child alone.
    case oneForOne
    /// Every child.
    ///
    /// Those that still run are stopped first, newest first.
    case oneForAll
    /// That child and all that were added after it.
    ///
    /// Those of them that still run are stopped first, newest first.
    case restForOne
}

/// When a child that ended is started again.
public enum RestartRule: String, Sendable, Codable, CaseIterable {
    /// However it ended.
    case permanent
    /// When it failed.
    ///
    /// After a normal end it stays as a child that does not run, and runs again when a sibling takes it along.
    case transient
    /// Never.
    ///
    /// It is forgotten when it ends, and also when it is stopped because of a sibling.
    case temporary
}
