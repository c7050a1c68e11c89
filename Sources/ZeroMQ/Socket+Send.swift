// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

extension Socket {
    /// Sends a message of one frame, and suspends the task while the socket is full.
    ///
    /// The message is handed to libzmq on the caller's thread. A socket is full when it has no peer, or each peer's
    /// high-water mark is reached. Tasks that wait are served in the order they came; with a router, a full peer holds
    /// up only what goes to itself.
    ///
    /// - Throws: ``ZeroMQError/Code/cancelled`` when the task is cancelled while it waits, ``ZeroMQError/Code/closed``
    ///   when the socket is closed, `.unreachable` when a router that must route knows no such peer, `.wrongState` when
    ///   a reply or request has to be received first. The message is then dropped.
    public func send(_ message: consuming Message) async throws(ZeroMQError) {
        var result = withUnsafeMutablePointer(to: &message.frame) { core.trySend(FrameRow(first: $0, count: 1)) }
        if result == EAGAIN { result = await core.waitToSend(MessageBatch(Multipart(message))) }
        try check(result)
    }

    /// Sends a message with all its frames, and suspends the task while the socket is full.
    ///
    /// - Throws: As ``send(_:)-(Message)`` does, and `.invalidArgument` when there is no frame.
    public func send(_ message: consuming Multipart) async throws(ZeroMQError) {
        if message.isEmpty { return try check(EINVAL) }
        var result = core.trySend(FrameRow(first: message.frames.frame(at: 0), count: message.count))
        if result == EAGAIN { result = await core.waitToSend(MessageBatch(message)) }
        try check(result)
    }

    /// Sends messages in order, and suspends the task while the socket is full.
    ///
    /// - Throws: As ``send(_:)-(Message)`` does. Messages before the failed one have been sent, the others are dropped.
    public func send(_ batch: consuming MessageBatch) async throws(ZeroMQError) {
        try check(await core.send(batch))
    }

    /// Sends a copy of `bytes`, and suspends the task while the socket is full.
    ///
    /// - Throws: As ``send(_:)-(Message)`` does.
    public func send(_ bytes: [UInt8]) async throws(ZeroMQError) {
        try await send(Message(bytes))
    }

    /// Sends a message of one frame if the socket is not full; returns whether it did.
    ///
    /// The message is left empty if sent, and as it was if not or if an error is thrown.
    public func trySend(_ message: inout Message) throws(ZeroMQError) -> Bool {
        let result = withUnsafeMutablePointer(to: &message.frame) { core.trySend(FrameRow(first: $0, count: 1)) }
        if result == EAGAIN { return false }
        try check(result)
        return true
    }

    /// Sends a message with all its frames if the socket is not full; returns whether it did.
    ///
    /// The message is left empty if sent, and as it was if not or if an error is thrown.
    public func trySend(_ message: inout Multipart) throws(ZeroMQError) -> Bool {
        if message.isEmpty { try check(EINVAL) }
        let result = core.trySend(FrameRow(first: message.frames.frame(at: 0), count: message.count))
        if result == EAGAIN { return false }
        try check(result)
        message.frames.dropFirst(message.count)
        return true
    }

    /// Sends messages in order until the socket is full; returns whether all have been sent.
    ///
    /// The batch is left with the messages that have not been sent.
    public func trySend(_ batch: inout MessageBatch) throws(ZeroMQError) -> Bool {
        let result = core.trySend(&batch)
        if result == EAGAIN { return false }
        try check(result)
        return true
    }

    /// Sends `bytes` if the socket is not full; returns whether it did.
    public func trySend(_ bytes: [UInt8]) throws(ZeroMQError) -> Bool {
        var message = Message(bytes)
        return try trySend(&message)
    }

    private func check(_ result: ErrorNumber) throws(ZeroMQError) {
        if result != 0 { throw ZeroMQError(result, while: "send to a \(kind) socket") }
    }
}
