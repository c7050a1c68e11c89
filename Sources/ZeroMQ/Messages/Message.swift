// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// One frame of bytes, owned by libzmq: moved through sockets without being copied.
///
/// A message has one owner and is given away when it is sent. Up to 33 bytes are held in place; longer ones are shared
/// with libzmq by reference.
public struct Message: ~Copyable {
    /// A moved-over zmq_msg_t.
    ///
    /// libzmq itself moves messages by plain assignment, so this struct may too.
    var frame: czeromq_frame

    /// Makes an empty message.
    public init() {
        frame = czeromq_frame()
        czeromq_frame_init(&frame)
    }

    /// Makes a message of `count` bytes that `initialize` fills in place.
    ///
    /// The closure has to write every byte of the buffer it is given; an error of its own ends the making.
    public init<Failure: Error>(
        count: Int,
        initializingWith initialize: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var frame = Self.makeFrame(count: count)
        do throws(Failure) {
            try initialize(UnsafeMutableRawBufferPointer(start: czeromq_frame_data(&frame), count: count))
        } catch {
            czeromq_frame_close(&frame)
            throw error
        }
        self.frame = frame
    }

    /// Makes a message from a copy of `bytes`.
    public init(copying bytes: UnsafeRawBufferPointer) {
        frame = Self.makeFrame(copying: bytes)
    }

    /// Makes a message from a copy of `bytes`.
    public init(copying bytes: RawSpan) {
        frame = bytes.withUnsafeBytes { Self.makeFrame(copying: $0) }
    }

    /// Makes a message of the UTF-8 bytes of `text`.
    public init(_ text: String) {
        var text = text
        frame = text.withUTF8 { Self.makeFrame(copying: UnsafeRawBufferPointer($0)) }
    }

    /// Makes a message of an array's bytes.
    ///
    /// Short arrays are copied. Longer ones are kept alive and sent from where they are; the last thread of libzmq that
    /// needs the bytes releases the array.
    public init(_ bytes: [UInt8]) {
        if bytes.count <= Self.copyLimit {
            frame = bytes.withUnsafeBytes { Self.makeFrame(copying: $0) }
            return
        }
        frame = czeromq_frame()
        let owner = Unmanaged.passRetained(ArrayOwner(bytes))
        // An array's elements stay where they are while somebody holds its storage: the owner does so till the release.
        let address = bytes.withUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress) }
        let result = czeromq_frame_init_data(
            &frame,
            address,
            bytes.count,
            { _, hint in
                if let hint { Unmanaged<ArrayOwner>.fromOpaque(hint).release() }
            },
            owner.toOpaque()
        )
        precondition(result == 0, "no memory left for a message of \(bytes.count) bytes")
    }

    init(adopting frame: czeromq_frame) {
        self.frame = frame
    }

    deinit {
        var frame = frame
        czeromq_frame_close(&frame)
    }

    /// Gives up the frame without closing it.
    consuming func take() -> czeromq_frame {
        let frame = frame
        discard self
        return frame
    }

    /// Arrays up to this size are copied: sharing costs an owner, a reference count and a callback.
    static let copyLimit = 512

    private static func makeFrame(count: Int) -> czeromq_frame {
        var frame = czeromq_frame()
        let result = czeromq_frame_init_size(&frame, count)
        precondition(result == 0, "no memory left for a message of \(count) bytes")
        return frame
    }

    private static func makeFrame(copying bytes: UnsafeRawBufferPointer) -> czeromq_frame {
        var frame = makeFrame(count: bytes.count)
        if let source = bytes.baseAddress {
            czeromq_frame_data(&frame).copyMemory(from: source, byteCount: bytes.count)
        }
        return frame
    }
}

/// Keeps the storage of an array alive for libzmq.
private final class ArrayOwner: Sendable {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }
}

/// libzmq's messages may move between threads; their shared contents are counted atomically and never written.
extension Message: @unchecked Sendable {}
