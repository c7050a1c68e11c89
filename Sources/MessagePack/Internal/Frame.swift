// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// One container or value that is being written: what it has become so far, and where it is in the buffer.
struct Frame {
    /// What the owner of the frame asked for.
    enum Kind: UInt8 {
        /// Nothing yet.
        case undecided
        /// A single value container, not written to yet.
        case single
        /// One value, complete.
        case written
        case map, array
    }

    var serial: UInt32
    var parent: UInt32
    /// How many arrays and maps enclose the frame, itself included.
    var depth: Int
    var kind: Kind
    /// The key in the buffer, or the index, that leads from the parent here; see `Step`.
    var step: Step
    /// Where the header's byte is, for a map or an array.
    var header: Int
    /// Pairs or elements written, while the frame is not the current one.
    var elements: Int
}

/// A way from a frame to a value in it: the offset of a key in the buffer, an index, or nothing.
struct Step {
    private let bits: Int

    static var none: Step { Step(bits: .min) }
    static func key(at offset: Int) -> Step { Step(bits: offset) }
    static func index(_ index: Int) -> Step { Step(bits: ~index) }

    var keyOffset: Int? { bits >= 0 ? bits : nil }
    var index: Int? { bits < 0 && bits != .min ? ~bits : nil }
}

/// Names a frame.
///
/// The serial number tells a live frame from a later one in the same place.
struct FrameHandle: Equatable {
    private let bits: UInt64

    init(index: Int, serial: UInt32) {
        bits = UInt64(serial) << 32 | UInt64(UInt32(truncatingIfNeeded: index))
    }

    private init(bits: UInt64) {
        self.bits = bits
    }

    /// The handle of a container that could not be opened.
    static var invalid: FrameHandle { FrameHandle(bits: 0) }
    /// What is current while no frame is.
    static var nobody: FrameHandle { FrameHandle(bits: .max) }

    var index: Int { Int(bits & 0xffff_ffff) }
    var serial: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
}

/// From `position` on, the buffer holds bytes of `frame`, up to the next run.
struct Run {
    var position: Int
    var frame: Int
    /// Whether the frame begins here, inside its parent.
    var opens: Bool
}
