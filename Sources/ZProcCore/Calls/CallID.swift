// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Numbers a call on its connection, from 1.
package struct CallID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }
}
