// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a read transaction looks at.
struct View {
    /// nil after a reset that made databases known.
    var handle: OpaquePointer?
    var isActive: Bool
    /// How often the view has been given up.
    var resets = 0
}
