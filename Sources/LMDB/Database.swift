// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// One of the key spaces in an environment.
///
/// A handle stays valid as long as its environment. One that was opened in a write transaction is for that transaction
/// only until it has been committed, and never to be used when it has not.
///
/// Keys are ordered by their bytes; a key that is the start of another comes before it.
public struct Database: Hashable, Sendable {
    let handle: MDB_dbi
}
