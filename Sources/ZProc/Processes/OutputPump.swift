// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Reads what children write, on one thread that lives as long as this process does.
///
/// It passes on what is to be passed on, and keeps the end.
final class OutputPump: Sendable {
    /// One stream of one child.
    struct Stream {
        /// The read end of its pipe; closed by the pump.
        let descriptor: Int32
        /// Where to pass it on; nil for nowhere.
        var target: Int32?
        /// What to put before each line.
        var prefix: String?
        /// Who reads it here; nil for nobody.
        var buffer: OutputBuffer?
        fileprivate var isPaused = false
        fileprivate var line: [UInt8] = []
        fileprivate var tail: [UInt8] = []
        fileprivate var isOpen = true
        /// What tells of its descriptor; -1 when it does not yet.
        fileprivate var epoll: Int32 = -1

        init(descriptor: Int32, target: Int32?, prefix: String?, buffer: OutputBuffer?) {
            self.buffer = buffer
            self.descriptor = descriptor
            self.target = target
            self.prefix = prefix
        }
    }

    /// Names a stream; 0 for none.
    typealias StreamID = UInt64

    private enum Command {
        case add(StreamID, Stream)
        case resume(StreamID)
        case finish([StreamID], @Sendable ([[UInt8]]) -> Void)
        case drain(@Sendable () -> Void)
    }

    /// How much of the end is kept.
    static let tailByteCount = 64 << 10
    /// A line longer than this is passed on in parts.
    fileprivate static let lineByteCount = 64 << 10

    private let commands = Mutex<(list: [Command], last: StreamID)>(([], 0))
    private let wakeUp: Int32
    private let epoll: Int32

    /// Nil when the system has no descriptors left.
    init?() {
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC))
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard wakeUp >= 0, epoll >= 0, watch(wakeUp, 0) else {
            if wakeUp >= 0 { close(wakeUp) }
            if epoll >= 0 { close(epoll) }
            return nil
        }
        // It lives as long as this process. Signals do not reach it: writing to a closed pipe is an error there.
        startThread(for: "to read the output of processes") { [self] in run() }
    }

    /// Reads a stream from now on.
    func add(_ stream: Stream) -> StreamID {
        let id = commands.withLock { commands in
            commands.last += 1
            commands.list.append(.add(commands.last, stream))
            return commands.last
        }
        eventfd_write(wakeUp, 1)
        return id
    }

    /// Reads what is left of streams whose writer has ended, and gives the end of each.
    func finish(_ streams: [StreamID], then: @escaping @Sendable ([[UInt8]]) -> Void) {
        send(.finish(streams, then))
    }

    /// Waits until all that was read has been passed on.
    func drain() async { await withUnsafeContinuation { continuation in send(.drain { continuation.resume() }) } }

    private func send(_ command: Command) {
        commands.withLock { $0.list.append(command) }
        eventfd_write(wakeUp, 1)
    }

    @discardableResult
    private func watch(_ descriptor: Int32, _ id: StreamID, for events: EPOLL_EVENTS = EPOLLIN) -> Bool {
        var event = epoll_event()
        event.events = events.rawValue
        event.data.u64 = id
        return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0
    }

    private func unwatch(_ descriptor: Int32) { epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil) }

    /// What the thread knows.
    private struct State {
        var streams: [StreamID: Stream] = [:]
        /// What this process writes to and could not yet.
        var stalled: [Int32: OutputTarget] = [:]
        var drains: [@Sendable () -> Void] = []
    }

    private func run() {
        czproc_name_thread("zproc-output")
        var state = State()
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            // Now and then also without an event: a target may have been exchanged for another file.
            let count = epoll_wait(epoll, &events, Int32(events.count), state.stalled.isEmpty ? -1 : 100)
            for event in events.prefix(max(0, Int(count))) {
                switch event.data.u64 {
                case 0:
                    var ignored: eventfd_t = 0
                    eventfd_read(wakeUp, &ignored)
                case Self.targets: break
                case let id:
                    _ = read(id, &state)
                    if let stream = state.streams[id], stream.isPaused, stream.isOpen { unwatch(stream.descriptor) }
                }
            }
            for target in state.stalled.keys { goOn(target, &state) }
            let waiting = commands.withLock { commands in
                defer { commands.list = [] }
                return commands.list
            }
            for command in waiting { carryOut(command, &state) }
            if state.stalled.isEmpty {
                for drained in state.drains { drained() }
                state.drains = []
            }
        }
    }

    /// Stands for all targets, among the numbers of streams.
    private static let targets = StreamID.max

    private func carryOut(_ command: Command, _ state: inout State) {
        switch command {
        case .add(let id, var stream):
            stream.epoll = epoll
            state.streams[id] = stream
            watch(stream.descriptor, id)
        case .resume(let id): resume(id, &state)
        case .drain(let drained): state.drains.append(drained)
        case .finish(let ids, let then):
            then(
                ids.map { id in
                    // What is in the pipe and no more: somebody else may still write into it.
                    for _ in 0..<64 where !read(id, &state) { break }
                    guard var stream = state.streams.removeValue(forKey: id) else { return [] }
                    pass(stream.end(), of: stream, &state)
                    return stream.tail
                }
            )
        }
    }

    private func resume(_ id: StreamID, _ state: inout State) {
        guard let stream = state.streams[id], stream.isPaused, stream.isOpen else { return }
        state.streams[id]?.isPaused = false
        watch(stream.descriptor, id)
    }

    /// Reads and passes on what is there; false when that is nothing.
    private func read(_ id: StreamID, _ state: inout State) -> Bool {
        guard let bytes = state.streams[id]?.read(), let text = state.streams[id]?.take(bytes),
            let stream = state.streams[id]
        else { return false }
        if pass(text, of: stream, &state) { state.streams[id]?.isPaused = true }
        let isTaken = stream.buffer?.put(bytes) { [self] in send(.resume(id)) }
        if isTaken == false { state.streams[id]?.isPaused = true }
        return true
    }

    /// Passes text on; true when the stream is to wait until that has been written.
    @discardableResult
    private func pass(_ text: [UInt8], of stream: Stream, _ state: inout State) -> Bool {
        guard let descriptor = stream.target, !text.isEmpty else { return false }
        var target = state.stalled[descriptor] ?? OutputTarget(descriptor)
        let isNew = target.isEmpty
        target.put(text)
        if isNew { target.flush() }
        if target.isEmpty { return false }
        state.stalled[descriptor] = target
        if isNew { watch(descriptor, Self.targets, for: EPOLLOUT) }
        return target.isFull
    }

    /// Writes more of what waits for a target; when nothing does any more, its streams go on.
    private func goOn(_ descriptor: Int32, _ state: inout State) {
        state.stalled[descriptor]?.flush()
        guard state.stalled[descriptor]?.isEmpty == true else { return }
        state.stalled[descriptor] = nil
        unwatch(descriptor)
        for (id, stream) in state.streams where stream.target == descriptor { resume(id, &state) }
    }
}

extension OutputPump.Stream {
    /// What is there; nil when that is nothing.
    fileprivate mutating func read() -> [UInt8]? {
        guard isOpen else { return nil }
        while true {
            var bytes = [UInt8](repeating: 0, count: 16 << 10)
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count > 0 else {
                close()
                return nil
            }
            bytes.removeLast(bytes.count - count)
            return bytes
        }
    }

    /// Keeps the end, and gives what is to be passed on.
    fileprivate mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        tail += bytes
        if tail.count > OutputPump.tailByteCount { tail.removeFirst(tail.count - OutputPump.tailByteCount) }
        guard target != nil else { return [] }
        guard let prefix else { return bytes }
        let newline = UInt8(ascii: "\n")
        guard let end = bytes.lastIndex(of: newline) else {
            line += bytes
            return line.count < OutputPump.lineByteCount ? [] : takeLine()
        }
        let lines = line + bytes[..<end]
        line = Array(bytes[(end + 1)...])
        let start = Array("[\(prefix)] ".utf8)
        return lines.split(separator: newline, omittingEmptySubsequences: false).flatMap { start + $0 + [newline] }
    }

    private mutating func takeLine() -> [UInt8] {
        defer { line = [] }
        return Array("[\(prefix ?? "")] ".utf8) + line + [UInt8(ascii: "\n")]
    }

    /// Gives what is to be passed on of a line that does not end.
    fileprivate mutating func end() -> [UInt8] {
        close()
        return line.isEmpty ? [] : takeLine()
    }

    private mutating func close() {
        guard isOpen else { return }
        isOpen = false
        // A process that is just being started has the descriptor, too, and as long as it does, its end is told of.
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
        Glibc.close(descriptor)
    }
}
