// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
internal import ZProcCore

/// Answers to clients' requests, each in the transaction that carried the request out.
extension SharedNamespace {
    /// What a request has been answered; nil when it has not been carried out, or its answer has arrived.
    func reply(to request: UpdateRequest, _ replies: borrowing Cursor) throws -> [UInt8]? {
        guard let block = try writtenBlock(of: request.client, replies) else { return nil }
        // The rule: it is new.
        if request.number > block.head.greatest || request.number < block.head.answered { return nil }
        if let answer = try block.answer(to: request.number) { return answer }
        if block.head.firstOther == .max { return nil }
        // Others are named by the greatest number in them.
        var entry = try StoreKey.withReplies(request.client, upTo: request.number) { try replies.seek(atLeast: $0) }
        while let (key, value) = entry, let name = StoreKey.replies(of: key), name.client == request.client {
            if let answer = try ReplyBlock(value).answer(to: request.number) { return answer }
            entry = try replies.next()
        }
        return nil
    }

    /// Keeps an answer; forgets those that have arrived.
    func keep(_ answer: [UInt8], for request: UpdateRequest, _ replies: borrowing Cursor) throws {
        var block = try writtenBlock(of: request.client, replies)
        var head = block?.head ?? ReplyBlock.Head()
        head.answered = max(head.answered, request.answered)
        guard request.number >= head.answered else { return }
        guard request.number < .max else {
            // It is the name of the block that is written to; no client counts so far.
            throw StateError(.outOfRange, "a client's request has the number \(request.number); count from 1")
        }
        if head.firstOther < head.answered {
            head.firstOther = try forgetOthers(of: request.client, below: head.answered, replies)
            block = try writtenBlock(of: request.client, replies)
        }
        // The greatest of all has arrived: then none of these is waited for.
        if head.greatest < head.answered { head.end = ReplyBlock.start }
        head.greatest = max(head.greatest, request.number)
        head.time = wallClockMicroseconds()
        block?.head = head
        if let block, block.hasRoom(for: answer.count) {
            ReplyBlock.add(answer, to: request.number, head, try replies.change())
        } else {
            try makeRoom(for: answer, request, head, block, replies)
        }
    }

    /// Keeps an answer for which there is no room behind the others.
    private func makeRoom(
        for answer: [UInt8],
        _ request: UpdateRequest,
        _ head: ReplyBlock.Head,
        _ block: ReplyBlock?,
        _ replies: borrowing Cursor
    ) throws {
        var head = head
        func write(_ length: Int, upTo number: UInt64, _ answers: [UInt8], _ next: [UInt8]?) throws {
            try StoreKey.withReplies(request.client, upTo: number) { key in
                let bytes = try replies.reserve(length, for: key)
                ReplyBlock.write(head, answers, next.map { (request.number, $0) }, to: bytes)
            }
        }
        let (waiting, greatest) = try block?.waiting() ?? ([], 0)
        if ReplyBlock.isAlone(answer.count) {
            try write(ReplyBlock.byteCount(of: [], and: answer.count), upTo: request.number, [], answer)
            head.firstOther = min(head.firstOther, request.number)
            let length = block?.byteCount ?? ReplyBlock.leastByteCount
            try write(length, upTo: .max, waiting, nil)
        } else if let length = ReplyBlock.byteCount(of: waiting, and: answer.count, after: block) {
            try write(length, upTo: .max, waiting, answer)
        } else {
            try write(ReplyBlock.byteCount(of: waiting), upTo: greatest, waiting, nil)
            head.firstOther = min(head.firstOther, greatest)
            try write(ReplyBlock.mostByteCount, upTo: .max, [], answer)
        }
    }

    /// Moves to a client's block that is written to; nil when it has none.
    private func writtenBlock(of client: UInt64, _ replies: borrowing Cursor) throws -> ReplyBlock? {
        guard let bytes = try StoreKey.withReplies(client, upTo: .max, { try replies.seek(exactly: $0) }) else {
            return nil
        }
        return try ReplyBlock(bytes)
    }

    /// Forgets blocks that have arrived, as many as an update has room for.
    ///
    /// - Returns: the name of the first that is left, perhaps the one that is written to.
    private func forgetOthers(of client: UInt64, below answered: UInt64, _ replies: borrowing Cursor) throws -> UInt64 {
        var entry = try StoreKey.withReplies(client, upTo: 0) { try replies.seek(atLeast: $0) }
        for _ in 0..<PageDemand.forgottenReplies {
            guard let (key, _) = entry, let name = StoreKey.replies(of: key), name.client == client,
                name.greatest < answered
            else { break }
            try replies.delete()
            entry = try replies.current()
        }
        guard let (key, _) = entry, let name = StoreKey.replies(of: key), name.client == client else { return .max }
        return name.greatest
    }
}
