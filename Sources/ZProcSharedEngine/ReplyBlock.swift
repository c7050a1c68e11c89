// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Answers to the requests of one client that may ask again, in one value of the file.
///
/// Each client has one that is written to, where it is; when that is full of answers that the client may not have, they
/// go to a block of their own, as does an answer that is too long for others beside it.
///
/// A block begins with its ``Head``. Each answer is its request's number, its length, and its bytes; the rest is room
/// for more.
struct ReplyBlock {
    struct Head: BitwiseCopyable {
        /// When the newest answer was given, in microseconds since 1970.
        var time: Int64 = 0
        /// The greatest number whose answer has been kept, in this block or another.
        var greatest: UInt64 = 0
        /// Answers to requests below this one have arrived.
        var answered: UInt64 = 0
        /// The least name that a block of the client may have besides the one that is written to; `.max` for none.
        var firstOther: UInt64 = .max
        /// Where the next answer would be.
        var end: UInt64 = UInt64(MemoryLayout<Head>.size)
    }

    var head: Head
    private let bytes: UnsafeRawBufferPointer

    private static let headByteCount = MemoryLayout<Head>.size
    private static let answerHeadByteCount = 12
    /// As long as a block of several answers is at most: three fill a page of 4 KiB with their keys.
    static let mostByteCount = 1332
    static let leastByteCount = 167

    /// Reads the head of a block, whose bytes must be valid as long as it is used.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` for bytes that have none.
    init(_ bytes: UnsafeRawBufferPointer) throws(StateError) {
        guard bytes.count >= Self.headByteCount else { throw Self.damaged }
        head = bytes.loadUnaligned(as: Head.self)
        self.bytes = bytes
        guard (Self.start...UInt64(bytes.count)).contains(head.end) else { throw Self.damaged }
    }

    private static var damaged: StateError {
        StateError(.storageDamaged, "what is to hold answers to clients does not; restore a copy")
    }

    var byteCount: Int { bytes.count }

    /// When the newest answer of a block was given; nil for bytes that are none.
    static func time(_ bytes: UnsafeRawBufferPointer) -> Int64? { (try? ReplyBlock(bytes))?.head.time }

    struct Answer {
        let number: UInt64
        /// With its head.
        let whole: UnsafeRawBufferPointer
        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: whole[answerHeadByteCount...]) }
    }

    /// The answers in the order in which they were given; ends before one that is damaged.
    var answers: Answers {
        Answers(rest: UnsafeRawBufferPointer(rebasing: bytes[Self.headByteCount..<Int(head.end)]))
    }

    struct Answers: IteratorProtocol {
        fileprivate var rest: UnsafeRawBufferPointer

        mutating func next() -> Answer? {
            guard rest.count >= answerHeadByteCount else { return nil }
            let end = answerHeadByteCount + Int(rest.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            guard end <= rest.count else { return nil }
            defer { rest = UnsafeRawBufferPointer(rebasing: rest[end...]) }
            let whole = UnsafeRawBufferPointer(rebasing: rest[..<end])
            return Answer(number: whole.loadUnaligned(as: UInt64.self), whole: whole)
        }
    }

    /// The answer to a request.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` when it may be one that cannot be read.
    func answer(to number: UInt64) throws(StateError) -> [UInt8]? {
        var answers = answers
        while let answer = answers.next() {
            if answer.number == number { return Array(answer.bytes) }
        }
        guard answers.rest.isEmpty else { throw Self.damaged }
        return nil
    }

    /// The answers that may not have arrived, as they are in a block, and the greatest of their numbers.
    ///
    /// - Throws: ``StateError/Code/storageDamaged`` when one cannot be read.
    func waiting() throws(StateError) -> (bytes: [UInt8], greatest: UInt64) {
        var waiting: [UInt8] = [], greatest: UInt64 = 0, answers = answers
        while let answer = answers.next() {
            if answer.number < head.answered { continue }
            waiting += answer.whole
            greatest = max(greatest, answer.number)
        }
        guard answers.rest.isEmpty else { throw Self.damaged }
        return (waiting, greatest)
    }

    // MARK: Writing

    /// How long a block becomes in an update that keeps an answer of this length, at most.
    static func mostByteCount(for answer: Int) -> Int { max(mostByteCount, byteCount(of: [], and: answer)) }

    /// Whether an answer of this length goes to a block of its own.
    static func isAlone(_ answer: Int) -> Bool { mostByteCount(for: answer) > mostByteCount }

    /// Whether an answer of this length can be added behind the others.
    func hasRoom(for answer: Int) -> Bool { Int(head.end) + Self.answerHeadByteCount + answer <= bytes.count }

    /// How long these answers are in a block, and one more of this length.
    static func byteCount(of answers: [UInt8], and next: Int? = nil) -> Int {
        headByteCount + answers.count + (next.map { answerHeadByteCount + $0 } ?? 0)
    }

    /// How long a block is to be that has room for these answers and one more, instead of another; nil when these had better
    /// have one of their own.
    static func byteCount(of answers: [UInt8], and next: Int, after block: ReplyBlock?) -> Int? {
        let least = byteCount(of: answers, and: next)
        let length = max(least, block.map { min(2 * $0.bytes.count, mostByteCount) } ?? leastByteCount)
        guard length <= mostByteCount else { return nil }
        // Not to be written again for every answer.
        return length > block?.bytes.count ?? 0 || answers.count <= mostByteCount / 2 ? length : nil
    }

    /// Writes a block of answers, and perhaps one more.
    static func write(
        _ head: Head,
        _ answers: [UInt8],
        _ next: (request: UInt64, answer: [UInt8])?,
        to bytes: UnsafeMutableRawBufferPointer
    ) {
        var head = head
        head.end = UInt64(headByteCount + answers.count)
        UnsafeMutableRawBufferPointer(rebasing: bytes[headByteCount...]).copyBytes(from: answers)
        if let next {
            add(next.answer, to: next.request, head, bytes)
        } else {
            bytes.storeBytes(of: head, as: Head.self)
        }
    }

    /// Writes the head, and an answer behind those that are there.
    static func add(_ answer: [UInt8], to request: UInt64, _ head: Head, _ bytes: UnsafeMutableRawBufferPointer) {
        var head = head
        let start = Int(head.end)
        head.end += UInt64(answerHeadByteCount + answer.count)
        bytes.storeBytes(of: head, as: Head.self)
        bytes.storeBytes(of: request, toByteOffset: start, as: UInt64.self)
        bytes.storeBytes(of: UInt32(answer.count), toByteOffset: start + 8, as: UInt32.self)
        UnsafeMutableRawBufferPointer(rebasing: bytes[(start + answerHeadByteCount)...]).copyBytes(from: answer)
    }

    /// Where the first answer is.
    static var start: UInt64 { UInt64(headByteCount) }
}
