// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing

extension Tag {
    /// What bytes a value becomes, and the other way round.
    @Tag static var wire: Self
    /// Bytes from someone who means harm.
    @Tag static var hostile: Self
    /// `Codable` types of many shapes.
    @Tag static var codable: Self
}
