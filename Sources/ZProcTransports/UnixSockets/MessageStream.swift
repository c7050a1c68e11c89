// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import WeakReferences
internal import ZProcCore
internal import ZeroMQ

/// Messages over a connected Unix domain socket, both ways.
///
/// Who sends writes to the socket, on its own thread; what the other side does not take yet waits here, until the loop
/// says that there is room. What comes is read and handed over on a thread of the loop, by one thread at a time.
final class MessageStream: LoopSource, SocketOwner {
    /// Why a stream has ended.
    enum End: Error {
        /// The other side has closed it, or died.
        case peerGone
        /// This side had closed it.
        case closed
        /// What came is no message, or one that is too large.
        case malformed(String)
        /// The other side does not take what it is sent.
        case full
        /// The other side has given no sign of life for so long.
        case silent(Duration)
        case system(Int32)
    }

    /// What happens to it; a receiver that is gone hears nothing.
    struct Handlers: Sendable {
        var received: @Sendable ([UInt8]) -> Void
        /// Called around several messages that have come at once; hands them over by calling what it is given.
        var receivedTogether: @Sendable (() -> Void) -> Void = { $0() }
        /// Called once, after the last message, unless this side has closed it.
        var ended: @Sendable (End) -> Void
    }

    struct Limits {
        /// How many messages may wait for the other side; nil for any number.
        var waitingMessages: Int?
        var messageByteCount = Int(Int32.max)
        /// Whether this side gives signs of life, and ends when the other one has given some and gives no more.
        var heartbeats = Heartbeats.Giving.never
    }

    /// A message in one part or two, of which the second may be large.
    private struct Outgoing {
        let head: [UInt8]
        let body: [UInt8]

        var count: Int { head.count + body.count }

        /// Copies it, its length first, and gives the number of bytes.
        func put(into buffer: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
            buffer.storeBytes(of: UInt32(count).littleEndian, toByteOffset: start, as: UInt32.self)
            let head = start + MessageReader.lengthByteCount, body = head + self.head.count
            self.head.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[head...]).copyMemory(from: $0) }
            self.body.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[body...]).copyMemory(from: $0) }
            return MessageReader.lengthByteCount + count
        }
    }

    private enum Phase {
        /// Before it is connected; what is sent waits.
        case opening
        case open
        /// It closes when what waits has been sent.
        case closing
        case closed
    }

    private struct Output {
        var phase = Phase.opening
        /// Bytes that wait, in order, and how many messages are in each piece.
        var pieces: [(bytes: [UInt8], messageCount: Int)] = []
        /// How much of the first piece has been sent.
        var sent = 0
        var waitingMessages = 0
        /// Whether the loop is to say when there is room.
        var waitsForRoom = false
        /// Why nothing can be sent any more: the loop will find the end, after what has come before.
        var failure: End?
    }

    private struct Input {
        var reader: MessageReader
        var handlers: Handlers?
        /// Whether anything has come since it was last asked.
        var hasHeard = false
        /// How often nothing had come.
        var silences = 0
    }

    let key: UInt64
    let descriptor: Int32
    private let loop: SocketLoop
    private let limits: Limits
    private let owners: OpenSockets
    private let outbox = Outbox<Outgoing, End>()
    /// Held while something is written, and while the descriptor is closed: nobody writes to its successor.
    private let output = Mutex(Output())
    /// Held while something is read, and while the descriptor is closed; may be locked before the other, not after it.
    private let input: Mutex<Input>

    /// Takes over a socket that does not block; ``open(_:connectingTo:)`` begins to read from it.
    init(_ descriptor: Int32, on loop: SocketLoop, limits: Limits = Limits(), among owners: OpenSockets) {
        self.descriptor = descriptor
        self.loop = loop
        self.limits = limits
        self.owners = owners
        key = loop.makeKey()
        let reader = MessageReader(
            maximumByteCount: limits.messageByteCount,
            takesHeartbeats: limits.heartbeats != .never
        )
        input = Mutex(Input(reader: reader))
        UnixSocket.makeRoom(in: descriptor)
        owners.insert(self)
    }

    deinit {
        // A stream that nobody has closed is one that nobody has opened.
        if output.withLock({ $0.phase != .closed }) { Glibc.close(descriptor) }
    }

    /// Reads from now on, and sends what waits.
    ///
    /// - Parameters:
    ///   - handlers: who hears of it.
    ///   - path: where to connect to first; nil when it is connected.
    /// - Throws: the system's error; nothing has happened then.
    func open(_ handlers: Handlers, connectingTo path: String? = nil) throws(UnixSocket.Failure) {
        try input.withLock { input throws(UnixSocket.Failure) in
            try output.withLock { output throws(UnixSocket.Failure) in
                guard output.phase == .opening || output.phase == .closing else { return }
                if let path { try UnixSocket.connect(descriptor, to: path) }
                let number = loop.register(self)
                if number != 0 { throw UnixSocket.Failure(number: number) }
                // One that is about to be closed sends, and that is all.
                if output.phase == .opening {
                    output.phase = .open
                    input.handlers = handlers
                }
                writeWaiting(&output)
            }
        }
        closeWhenSent()
        guard case .always(let interval) = limits.heartbeats, beat(every: interval) else { return }
        Heartbeats.add(self, every: interval)
    }

    // MARK: Sending

    /// Sends a message, ahead of all later ones.
    ///
    /// - Parameters:
    ///   - head: the message, or its beginning.
    ///   - body: the rest of it, which is not copied when it is large.
    /// - Throws: why it was not sent.
    func send(_ head: [UInt8], body: [UInt8] = []) throws(End) {
        let failure = outbox.put(Outgoing(head: head, body: body)) {
            loop.deferred({ [stream = WeakReference(self)] in stream.object?.flush() })
        } send: { messages in
            write(messages)
        }
        if let failure { throw failure }
    }

    // Those whose messages could not be sent are told by the end, which a failure brings.
    private func flush() { _ = outbox.flush(send: write) }

    /// - Returns: why they were not sent; then the stream ends.
    private func write(_ messages: [Outgoing]) -> End? {
        output.withLock { output -> End? in
            if let failure = output.failure { return failure }
            if output.phase == .closed { return .closed }
            if let most = limits.waitingMessages, output.waitingMessages + messages.count > most,
                output.waitingMessages > 0
            {
                return fail(.full, &output)
            }
            let count = messages.reduce(0) { $0 + MessageReader.lengthByteCount + $1.count }
            guard output.phase != .opening, output.pieces.isEmpty, count <= stackBufferByteCount else {
                append(messages, to: &output)
                writeWaiting(&output)
                return nil
            }
            var sending = Sending(messages: messages, count: count, descriptor: descriptor)
            withStackBuffer(&sending) { Sending.enter($0, $1) }
            if sending.number != 0 { return fail(Self.end(for: sending.number), &output) }
            if !sending.rest.isEmpty {
                output.pieces.append((sending.rest, messages.count))
                output.waitingMessages += messages.count
                writeWaiting(&output)
            }
            return nil
        }
    }

    /// Sends messages together, which are copied to one place for that.
    private struct Sending: StackBufferUse {
        let messages: [Outgoing]
        /// How many bytes that are.
        let count: Int
        let descriptor: Int32
        /// What has not been taken.
        var rest: [UInt8] = []
        /// The system's error; 0 when there was none.
        var number: Int32 = 0

        mutating func perform(with buffer: UnsafeMutableRawBufferPointer) {
            var end = 0
            for message in messages { end += message.put(into: buffer, at: end) }
            let sent = Glibc.send(descriptor, buffer.baseAddress, count, Int32(MSG_NOSIGNAL))
            if sent < 0, errno != EAGAIN, errno != EINTR {
                number = errno
            } else if sent < count {
                rest = Array(buffer[max(0, sent)..<count])
            }
        }
    }

    /// Nothing more is sent, nor taken in but what has come; the loop finds the end.
    private func fail(_ failure: End, _ output: inout Output) -> End {
        output.failure = failure
        output.pieces = []
        output.sent = 0
        output.waitingMessages = 0
        shutdown(descriptor, Int32(SHUT_RDWR))
        return failure
    }

    /// Small messages share a piece, large ones are pieces of their own and not copied.
    private func append(_ messages: [Outgoing], to output: inout Output) {
        var piece: [UInt8] = [], count = 0
        func finish() {
            if !piece.isEmpty { output.pieces.append((piece, count)) }
            (piece, count) = ([], 0)
        }
        func add(_ part: [UInt8]) {
            if part.count > stackBufferByteCount / 4 {
                finish()
                output.pieces.append((part, 0))
            } else {
                piece.append(contentsOf: part)
            }
        }
        for message in messages {
            withUnsafeBytes(of: UInt32(message.count).littleEndian) { piece.append(contentsOf: $0) }
            add(message.head)
            add(message.body)
            // It has been sent with the piece that it ends in.
            if piece.isEmpty { output.pieces[output.pieces.count - 1].messageCount += 1 } else { count += 1 }
            if piece.count >= stackBufferByteCount { finish() }
        }
        finish()
        output.waitingMessages += messages.count
    }

    /// Writes what waits, as far as there is room; the loop says when there is more.
    ///
    /// That it fails is not told here: whoever reads finds out, after what the other side has sent before.
    private func writeWaiting(_ output: inout Output) {
        guard output.phase == .open || output.phase == .closing else { return }
        var done = 0
        defer {
            output.pieces.removeFirst(min(done, output.pieces.count))
            let waits = !output.pieces.isEmpty
            if waits != output.waitsForRoom, loop.watch(self, forRoom: waits) == 0 { output.waitsForRoom = waits }
        }
        while done < output.pieces.count {
            let piece = output.pieces[done]
            let sent = piece.bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[output.sent...])
                return Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                _ = fail(Self.end(for: errno), &output)
                return
            }
            output.sent += sent
            guard output.sent == piece.bytes.count else { continue }
            output.waitingMessages -= piece.messageCount
            output.sent = 0
            done += 1
        }
    }

    private static func end(for number: Int32) -> End {
        switch number {
        case EPIPE, ECONNRESET, ENOTCONN: .peerGone
        default: .system(number)
        }
    }

    // MARK: Receiving

    func serve(_ events: LoopEvents) {
        if events.contains(.room) {
            output.withLock { writeWaiting(&$0) }
            closeWhenSent()
        }
        let isOver = !events.isDisjoint(with: .end)
        if isOver || events.contains(.data) { receive(toTheEnd: isOver) }
    }

    /// How often a stream is read from before others have their turn.
    private static let readLimit = 16

    private enum Outcome {
        case more, all
        case over(End)
    }

    /// Reads what has come and hands it over.
    ///
    /// - Parameter toTheEnd: whether the other side sends no more: then it is not enough to have read less than might
    ///   have been there.
    private func receive(toTheEnd: Bool) {
        var receiving = Receiving(stream: self, toTheEnd: toTheEnd)
        withStackBuffer(&receiving) { Receiving.enter($0, $1) }
    }

    private struct Receiving: StackBufferUse {
        let stream: MessageStream
        let toTheEnd: Bool

        func perform(with buffer: UnsafeMutableRawBufferPointer) { stream.receive(toTheEnd: toTheEnd, through: buffer) }
    }

    private func receive(toTheEnd: Bool, through buffer: UnsafeMutableRawBufferPointer) {
        for _ in 0..<Self.readLimit {
            var messages: [[UInt8]] = []
            var handlers: Handlers?
            let outcome = input.withLock { input -> Outcome in
                handlers = input.handlers
                return read(&input, buffer, toTheEnd: toTheEnd, into: &messages)
            }
            guard let handlers else { return }
            if !messages.isEmpty { handOver(messages, to: handlers) }
            switch outcome {
            case .more: continue
            case .all: return
            case .over(let end): return self.end(end)
            }
        }
        // Reported once more, since there may be more.
        output.withLock { output in
            guard output.phase != .closed else { return }
            _ = loop.watch(self, forRoom: output.waitsForRoom)
        }
    }

    /// After the end of this stream there are no handlers, and nothing is read.
    private func read(
        _ input: inout Input,
        _ buffer: UnsafeMutableRawBufferPointer,
        toTheEnd: Bool,
        into messages: inout [[UInt8]]
    ) -> Outcome {
        // After the end.
        guard input.handlers != nil else { return .all }
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count == 0 { return .over(.peerGone) }
        if count < 0 {
            if errno == EINTR { return .more }
            return errno == EAGAIN ? .all : .over(Self.end(for: errno))
        }
        input.hasHeard = true
        do throws(MessageReader.Failure) {
            let hadHeartbeat = input.reader.hasHeartbeat
            try input.reader.read(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &messages)
            if !hadHeartbeat, input.reader.hasHeartbeat, case .inReturn(let interval) = limits.heartbeats {
                Heartbeats.add(self, every: interval)
            }
        } catch {
            switch error {
            case .empty: return .over(.malformed("an empty message"))
            case .tooLarge(let count):
                return .over(.malformed("a message of \(count) bytes, of at most \(limits.messageByteCount)"))
            }
        }
        return toTheEnd || count == buffer.count ? .more : .all
    }

    /// What is answered at once goes out together.
    private func handOver(_ messages: [[UInt8]], to handlers: Handlers) {
        _ = outbox.collect(
            during: {
                if messages.count == 1 { return handlers.received(messages[0]) }
                handlers.receivedTogether { for message in messages { handlers.received(message) } }
            },
            send: write
        )
    }

    // MARK: Heartbeats

    /// How often in a row nothing has come from one that lives no more.
    private static let mostSilences = 3

    /// Gives a sign of life, and ends if the other side has given none for long.
    ///
    /// - Parameter interval: how often that is done.
    /// - Returns: whether it is to be done again.
    func beat(every interval: Duration) -> Bool {
        let isSilent = input.withLock { input -> Bool in
            if input.hasHeard { input.silences = 0 } else { input.silences += 1 }
            input.hasHeard = false
            // What has come and is not read yet is a sign of life, too; nothing more is read when there are no handlers.
            return input.handlers != nil && input.reader.hasHeartbeat && input.silences >= Self.mostSilences
                && !hasUnread()
        }
        return output.withLock { output in
            switch output.phase {
            case .opening, .closing: return true
            case .closed: return false
            case .open: break
            }
            if isSilent {
                // Whoever reads finds the end.
                _ = fail(.silent(interval * Self.mostSilences), &output)
                return false
            }
            guard output.pieces.isEmpty, output.failure == nil else {
                // What waits is a sign of life, too, and whoever serves this stream may be held up.
                writeWaiting(&output)
                return output.failure == nil
            }
            let heartbeat = [UInt8](repeating: 0, count: MessageReader.lengthByteCount)
            let sent = Glibc.send(descriptor, heartbeat, heartbeat.count, Int32(MSG_NOSIGNAL))
            // Without room there is enough to be read.
            if sent > 0, sent < heartbeat.count {
                output.pieces.append((Array(heartbeat[sent...]), 0))
                writeWaiting(&output)
            }
            return true
        }
    }

    /// With a lock that keeps the descriptor from being closed.
    private func hasUnread() -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    // MARK: The end

    /// When it has sent what was to be sent, or a second later.
    func close() {
        // Nothing is handed over any more.
        let handlers = input.withLock { input in
            defer { input.handlers = nil }
            return input.handlers
        }
        withExtendedLifetime(handlers) {}
        outbox.finish { [self] in
            output.withLock { if $0.phase != .closed { $0.phase = .closing } }
            if !closeWhenSent() { AlarmClock.shared.set(after: .seconds(1)) { [self] in closeNow() } }
        } send: { messages in
            write(messages)
        }
    }

    /// Ends it at once and tells so, on the thread of the loop that has read the last message.
    private func end(_ end: End) {
        let handlers = input.withLock { input in
            defer { input.handlers = nil }
            return input.handlers
        }
        // Who sends from now on is told why that cannot be, and not that this side has closed it.
        let failure = output.withLock { output in
            let failure = output.failure ?? end
            output.failure = failure
            return failure
        }
        closeNow()
        handlers?.ended(failure)
    }

    /// - Returns: whether it is closed.
    @discardableResult private func closeWhenSent() -> Bool {
        let isDone = output.withLock { output in
            switch output.phase {
            case .closing: output.pieces.isEmpty
            case .closed: true
            case .opening, .open: false
            }
        }
        if isDone { closeNow() }
        return isDone
    }

    private func closeNow() {
        let (isFirst, handlers) = input.withLock { input -> (Bool, Handlers?) in
            let isFirst = output.withLock { output in
                if output.phase == .closed { return false }
                output.phase = .closed
                output.pieces = []
                loop.unregister(self)
                Glibc.close(descriptor)
                return true
            }
            defer { input.handlers = nil }
            return (isFirst, input.handlers)
        }
        withExtendedLifetime(handlers) {}
        if isFirst { owners.remove(ObjectIdentifier(self)) }
    }
}
