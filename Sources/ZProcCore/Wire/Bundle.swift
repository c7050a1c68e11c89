// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Several small messages that travel as one, `[8, message, …]`, where each message has its price.
///
/// A listener sends bundles to those only whose hello came in one, so a hello always goes in a bundle, if alone. What is
/// larger than a bundle may be is none, whoever sends it: nothing is made of it.
package enum Bundle {
    private static let kind: UInt64 = 8
    /// What the messages of one have at most, together and each: larger ones cost no less together.
    private static let mostBytes = 8 << 10, largeMessage = 1 << 10
    private static let mostMessages = 128
    /// The most bytes of a bundle.
    package static let maximumByteCount = mostBytes + 3 * mostMessages + 8

    /// What is to be sent for some messages, in their order: bundles, and large messages as they are.
    package static func joined(_ messages: [[UInt8]]) -> [[UInt8]] {
        if messages.count == 1, !isHello(messages[0]) { return messages }
        var joined: [[UInt8]] = [], start = 0, byteCount = 0
        func close(at end: Int) {
            if end - start > 1 || end - start == 1 && isHello(messages[start]) {
                joined.append(bundle(messages[start..<end], byteCount))
            } else if end > start {
                joined.append(messages[start])
            }
            (start, byteCount) = (end, 0)
        }
        for index in messages.indices {
            let count = messages[index].count
            let isFull = byteCount + count > mostBytes || index - start == mostMessages
            // An empty message is none.
            let isAlone = count > largeMessage || count == 0
            if isFull || isAlone { close(at: index) }
            byteCount += count
            if isAlone { close(at: index + 1) }
        }
        close(at: messages.count)
        return joined
    }

    private static func bundle(_ messages: ArraySlice<[UInt8]>, _ byteCount: Int) -> [UInt8] {
        FieldWriter.bytes(count: 1 + messages.count, first: kind, capacity: byteCount + 3 * messages.count) { writer in
            for message in messages { writer.append(message) }
        }
    }

    /// Whether this is a hello, or begins like one.
    package static func isHello(_ message: [UInt8]) -> Bool {
        message.count > 1 && message[0] == 0x96 && message[1] == 0
    }

    /// Whether this is a bundle, or begins like one.
    package static func isBundle(_ message: [UInt8]) -> Bool {
        var reader = FieldReader(bytes: message)
        guard (try? reader.readArrayHeader()) != nil, let kind = try? reader.readUInt() else { return false }
        return kind == Self.kind
    }

    /// Hands over each message of a bundle, once it is known that all of them can be read.
    ///
    /// - Returns: how many there were; nil for bytes that are no bundle.
    package static func forEachMessage(in bytes: [UInt8], _ body: ([UInt8]) -> Void) -> Int? {
        guard bytes.count <= maximumByteCount else { return nil }
        var reader = FieldReader(bytes: bytes), count = 0
        do throws(TransportError) {
            count = try reader.readArrayHeader() - 1
            guard count > 0, try reader.readUInt() == kind, count <= mostMessages else { return nil }
            var scanner = reader
            for _ in 0..<count { if try scanner.skipBinary() == 0 { return nil } }
            try scanner.finish()
            for _ in 0..<count { body(try reader.readBinary()) }
            return count
        } catch {
            return nil
        }
    }

    /// The messages of a bundle; nil for bytes that are none.
    package static func messages(in bytes: [UInt8]) -> [[UInt8]]? {
        var messages: [[UInt8]] = []
        return forEachMessage(in: bytes) { messages.append($0) } == nil ? nil : messages
    }
}
