// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Finds messages in a stream of bytes: before each stand four bytes that say how long it is, the lowest first.
package struct MessageReader {
    /// Why a stream cannot be read any further.
    package enum Failure: Error, Equatable {
        case empty
        case tooLarge(Int)
    }

    private let maximumByteCount: Int
    private let takesHeartbeats: Bool
    /// Whether the other side has given a sign of life that is no message: a length of zero.
    package private(set) var hasHeartbeat = false
    /// What has come of the four bytes.
    private var length: UInt32 = 0
    private var lengthByteCount = 0
    /// What has come of the message; nil until its length is known.
    private var message: [UInt8]?

    static let lengthByteCount = 4

    /// - Parameters:
    ///   - maximumByteCount: the longest message that is taken.
    ///   - takesHeartbeats: whether there may be lengths of zero.
    package init(maximumByteCount: Int, takesHeartbeats: Bool = false) {
        self.maximumByteCount = maximumByteCount
        self.takesHeartbeats = takesHeartbeats
    }

    /// Adds the messages that are complete with `bytes` to `messages`.
    ///
    /// Memory is taken for what has come, at most eight times as much, and not for what is announced.
    package mutating func read(_ bytes: UnsafeRawBufferPointer, into messages: inout [[UInt8]]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if message == nil {
                if lengthByteCount == 0, rest.count >= Self.lengthByteCount {
                    length = UInt32(littleEndian: UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt32.self))
                    lengthByteCount = Self.lengthByteCount
                    rest.removeFirst(Self.lengthByteCount)
                } else {
                    length |= UInt32(rest.removeFirst()) << (8 * lengthByteCount)
                    lengthByteCount += 1
                }
                guard lengthByteCount == Self.lengthByteCount else { continue }
                if length == 0, takesHeartbeats {
                    hasHeartbeat = true
                    lengthByteCount = 0
                    continue
                }
                guard length > 0 else { throw .empty }
                guard length <= maximumByteCount else { throw .tooLarge(Int(length)) }
            }
            let missing = Int(length) - (message?.count ?? 0)
            let part = rest.prefix(missing)
            rest.removeFirst(part.count)
            if part.count == missing, message == nil {
                messages.append(Array(part))
            } else {
                add(part)
                guard part.count == missing, let whole = message else { continue }
                messages.append(whole)
            }
            message = nil
            length = 0
            lengthByteCount = 0
        }
    }

    private mutating func add(_ part: Slice<UnsafeRawBufferPointer>) {
        var whole = message ?? []
        message = nil
        let count = whole.count + part.count
        // Twice as much each time, so that little is copied, and all of it when that is not much more.
        if whole.capacity < count {
            let isNearlyThere = count >= Int(length) / 8
            whole.reserveCapacity(isNearlyThere ? Int(length) : min(Int(length), max(count, 2 * whole.capacity)))
        }
        whole.append(contentsOf: part)
        message = whole
    }
}
