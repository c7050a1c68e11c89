// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// Several messages in one piece of memory, received or sent with one call.
///
/// With many messages in flight, a batch spares the lock, the suspension and the allocation that each would cost.
public struct MessageBatch: ~Copyable, Sendable {
    var frames: FrameBuffer
    /// Where each message ends, counted in frames from the first ever added.
    var ends: [Int]
    /// Messages and frames taken from the front so far.
    var takenMessages = 0
    var takenFrames = 0

    /// Makes an empty batch.
    public init() {
        frames = FrameBuffer()
        ends = []
    }

    init(_ message: consuming Multipart) {
        ends = [message.frames.count]
        frames = message.frames
    }

    /// How many messages are left.
    public var count: Int {
        ends.count - takenMessages
    }

    /// Whether no message is left.
    public var isEmpty: Bool {
        count == 0
    }

    /// Adds a message of one frame.
    public mutating func append(_ message: consuming Message) {
        frames.append(message.take())
        ends.append(takenFrames + frames.count)
    }

    /// Adds a message of two frames, such as a routing id and a payload.
    public mutating func append(_ first: consuming Message, _ second: consuming Message) {
        frames.append(first.take())
        frames.append(second.take())
        ends.append(takenFrames + frames.count)
    }

    /// Adds a message; one without frames is left out.
    public mutating func append(_ message: consuming Multipart) {
        if message.isEmpty { return }
        while message.frames.count > 0 { frames.append(message.frames.removeFirst()) }
        ends.append(takenFrames + frames.count)
    }

    /// How many frames are left of the first message; 0 when no message is left.
    public var firstFrameCount: Int {
        isEmpty ? 0 : ends[takenMessages] - takenFrames
    }

    /// Takes the first message out; nil when none is left.
    public mutating func popFirst() -> Multipart? {
        let count = firstFrameCount
        if count == 0 { return nil }
        var message = FrameBuffer(minimumCapacity: count)
        for _ in 0..<count { message.append(frames.removeFirst()) }
        took(frames: count)
        return Multipart(adopting: message)
    }

    /// Takes the next frame of the first message out; nil when no message is left.
    ///
    /// This costs no allocation. ``firstFrameCount`` tells how many frames the message still has.
    public mutating func popFrame() -> Message? {
        if isEmpty { return nil }
        let frame = frames.removeFirst()
        took(frames: 1)
        return Message(adopting: frame)
    }

    /// Gives `body` the bytes of a frame of the first message, which must not be used after it returns.
    public func withUnsafeBytesOfFirst<Result: ~Copyable, Failure: Error>(
        at index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let frame = frames.frame(at: index)
        return try body(UnsafeRawBufferPointer(start: czeromq_frame_data(frame), count: czeromq_frame_size(frame)))
    }

    private mutating func took(frames count: Int) {
        takenFrames += count
        if takenFrames == ends[takenMessages] { takenMessages += 1 }
    }

    /// Forgets the first message, whose frames libzmq has taken over.
    mutating func dropFirst() {
        let count = firstFrameCount
        frames.dropFirst(count)
        took(frames: count)
    }
}
