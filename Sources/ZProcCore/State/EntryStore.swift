// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import MessagePack

/// Entries that are kept outside the memory of this process, as they were at one moment.
package protocol EntryStore: Sendable {
    func value(of key: String) throws(StateError) -> EncodedValue?
    func forEach(_ body: (String, EncodedValue) throws -> Void) throws
}
