// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What is to be passed on to one of this process's own streams, whose reader may be slow or stopped.
///
/// Never waits: what cannot be written yet is kept.
struct OutputTarget {
    let descriptor: Int32
    private var waiting: [UInt8] = []
    private var start = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    var isEmpty: Bool { start == waiting.count }
    /// Whether so much waits that its sources are to wait, too.
    var isFull: Bool { waiting.count - start >= Self.byteLimit }

    private static let byteLimit = 64 << 10

    mutating func put(_ bytes: [UInt8]) { waiting += bytes }

    /// Writes what can be written now.
    mutating func flush() {
        let step = stepByteCount
        while !isEmpty, step == .max || isWritable {
            let count = waiting.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress.map { $0 + start }, min(step, bytes.count - start))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            // Nobody reads it any more.
            guard count > 0 else { return drop() }
            start += count
        }
        if isEmpty { drop() }
    }

    /// Forgets what waits.
    mutating func drop() { (waiting, start) = ([], 0) }

    /// How much may be written at a time to what says that it can be written to, without waiting there.
    private var stepByteCount: Int {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { return .max }
        return switch information.st_mode & S_IFMT {
        case S_IFREG: .max
        // A pipe has room for this, a terminal may have less.
        case S_IFCHR: 256
        default: 4_096
        }
    }

    private var isWritable: Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&watched, 1, 0) > 0
    }
}
