// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// A message of one or more frames, which arrive all together or not at all.
///
/// Frames are moved in and out, never copied.
public struct Multipart: ~Copyable, Sendable {
    var frames: FrameBuffer

    /// Makes a message without frames; it must have one before it is sent.
    public init() {
        frames = FrameBuffer()
    }

    /// Makes a message of one frame.
    public init(_ message: consuming Message) {
        frames = FrameBuffer(minimumCapacity: 2)
        frames.append(message.take())
    }

    /// Makes a message of two frames, such as a routing id and a payload.
    public init(_ first: consuming Message, _ second: consuming Message) {
        frames = FrameBuffer(minimumCapacity: 2)
        frames.append(first.take())
        frames.append(second.take())
    }

    /// Makes a message with a frame for each array.
    public init(_ parts: [[UInt8]]) {
        frames = FrameBuffer(minimumCapacity: parts.count)
        for part in parts { frames.append(Message(part).take()) }
    }

    init(adopting frames: consuming FrameBuffer) {
        self.frames = frames
    }

    /// How many frames there are.
    public var count: Int {
        frames.count
    }

    /// Whether there is no frame.
    public var isEmpty: Bool {
        frames.count == 0
    }

    /// Adds a frame at the end.
    public mutating func append(_ message: consuming Message) {
        frames.append(message.take())
    }

    /// Takes the first frame out; nil when none is left.
    public mutating func popFirst() -> Message? {
        isEmpty ? nil : Message(adopting: frames.removeFirst())
    }

    /// Gives `body` the bytes of one frame, which must not be used after it returns.
    ///
    /// Frames are counted from the first that has not been taken out.
    public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        at index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let frame = frames.frame(at: index)
        return try body(UnsafeRawBufferPointer(start: czeromq_frame_data(frame), count: czeromq_frame_size(frame)))
    }

    /// The size of one frame in bytes.
    public func byteCount(at index: Int) -> Int {
        czeromq_frame_size(frames.frame(at: index))
    }

    /// A copy of one frame's bytes.
    public subscript(index: Int) -> [UInt8] {
        withUnsafeBytes(at: index) { Array($0) }
    }
}

extension Array where Element == [UInt8] {
    /// Copies the bytes of each frame.
    public init(_ message: borrowing Multipart) {
        self = []
        reserveCapacity(message.count)
        for index in 0..<message.count { append(message[index]) }
    }
}
