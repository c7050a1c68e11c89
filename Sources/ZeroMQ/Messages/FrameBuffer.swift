// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// A growing row of frames in one piece of memory; taken from the front, added at the back.
struct FrameBuffer: ~Copyable {
    /// Frames at `start..<end` are initialised; the others are free memory.
    private(set) var base: UnsafeMutablePointer<czeromq_frame>?
    private(set) var start = 0
    private(set) var end = 0
    private var capacity = 0

    init() {}

    init(minimumCapacity: Int) {
        grow(to: minimumCapacity)
    }

    deinit {
        guard let base else { return }
        for index in start..<end { czeromq_frame_close(base + index) }
        base.deallocate()
    }

    var count: Int { end - start }

    /// Adds the memory of one more frame, not initialised: the caller fills it or calls ``removeLast()``.
    @inline(__always)
    mutating func appendUninitialized() -> UnsafeMutablePointer<czeromq_frame> {
        if end == capacity { grow(to: max(4, count * 2)) }
        let frame = base.unsafelyUnwrapped + end
        end += 1
        return frame
    }

    mutating func append(_ frame: czeromq_frame) {
        appendUninitialized().initialize(to: frame)
    }

    /// Forgets the last frame without closing it.
    mutating func removeLast() {
        end -= 1
    }

    /// Gives away the first frame.
    mutating func removeFirst() -> czeromq_frame {
        precondition(start < end, "no frame is left")
        defer { start += 1 }
        return base.unsafelyUnwrapped[start]
    }

    /// Forgets the first `count` frames, which libzmq has taken over.
    mutating func dropFirst(_ count: Int) {
        start += count
    }

    func frame(at index: Int) -> UnsafeMutablePointer<czeromq_frame> {
        precondition(index >= 0 && index < count, "frame \(index) of \(count)")
        return base.unsafelyUnwrapped + start + index
    }

    private mutating func grow(to newCapacity: Int) {
        let new = UnsafeMutablePointer<czeromq_frame>.allocate(capacity: newCapacity)
        if let base {
            new.moveInitialize(from: base + start, count: end - start)
            base.deallocate()
        }
        end -= start
        start = 0
        base = new
        capacity = newCapacity
    }
}

/// The memory has one owner at a time and holds only messages, which may move between threads.
extension FrameBuffer: @unchecked Sendable {}
