// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

extension Socket {
    /// Receives the next frame, and suspends the task while there is none.
    ///
    /// What is there already is received at once, even by a cancelled task. Tasks that wait are served in the order
    /// they came. Of a multipart message this is one frame, with ``Message/more`` set if others follow; where several
    /// tasks receive, use ``receiveMultipart()``.
    ///
    /// - Throws: ``ZeroMQError/Code/cancelled`` when the task is cancelled while it waits, ``ZeroMQError/Code/closed``
    ///   when the socket is closed, `.wrongState` when a reply or request has to be sent first.
    public func receive() async throws(ZeroMQError) -> Message {
        var frame = czeromq_frame()
        try check(await core.receive(into: &frame))
        return Message(adopting: frame)
    }

    /// Receives the next message with all its frames, and suspends the task while there is none.
    ///
    /// - Throws: As ``receive()`` does.
    public func receiveMultipart() async throws(ZeroMQError) -> Multipart {
        var batch = MessageBatch()
        try check(await core.receive(upTo: 1, into: &batch))
        return Multipart(adopting: batch.frames)
    }

    /// Receives all messages that are there, at most `limit`, and suspends the task while there is none.
    ///
    /// With many messages in flight this costs little per message.
    ///
    /// - Throws: As ``receive()`` does.
    public func receiveBatch(limit: Int = 1000) async throws(ZeroMQError) -> MessageBatch {
        var batch = MessageBatch()
        try check(await core.receive(upTo: max(1, limit), into: &batch))
        return batch
    }

    /// Receives the next frame if one is there; nil if not, or if other tasks wait for it.
    public func tryReceive() throws(ZeroMQError) -> Message? {
        var frame = czeromq_frame()
        let result = core.tryReceive(into: &frame)
        if result == EAGAIN { return nil }
        try check(result)
        return Message(adopting: frame)
    }

    /// Receives the next message with all its frames if one is there; nil if not, or if other tasks wait for it.
    public func tryReceiveMultipart() throws(ZeroMQError) -> Multipart? {
        var batch = MessageBatch()
        let result = core.tryReceive(upTo: 1, into: &batch)
        if result == EAGAIN { return nil }
        try check(result)
        return Multipart(adopting: batch.frames)
    }

    /// Receives all messages that are there, at most `limit`; empty if there is none, or if other tasks wait for them.
    public func tryReceiveBatch(limit: Int = 1000) throws(ZeroMQError) -> MessageBatch {
        var batch = MessageBatch()
        let result = core.tryReceive(upTo: max(1, limit), into: &batch)
        if result != EAGAIN { try check(result) }
        return batch
    }

    private func check(_ result: ErrorNumber) throws(ZeroMQError) {
        if result != 0 { throw ZeroMQError(result, while: "receive from a \(kind) socket") }
    }
}
