// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Says once that something has happened.
package final class Flag: Sendable {
    private let value = Atomic(false)

    package init() {}

    /// Whether it has happened.
    package var isRaised: Bool { value.load(ordering: .acquiring) }

    package func raise() { value.store(true, ordering: .releasing) }
}
