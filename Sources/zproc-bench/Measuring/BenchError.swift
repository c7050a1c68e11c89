// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A figure could not be measured.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
