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
    }

    static let shared = OutputPump()
    /// How much of the end is kept.
    static let tailByteCount = 64 << 10

    private let commands = Mutex<(list: [Command], last: StreamID)>(([], 0))
    private let wakeUp = eventfd(0, Int32(EFD_CLOEXEC))
    private let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))

    private init() {
        watch(wakeUp, 0)
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
        commands.withLock { $0.list.append(.finish(streams, then)) }
        eventfd_write(wakeUp, 1)
    }

    private func resume(_ id: StreamID) {
        commands.withLock { $0.list.append(.resume(id)) }
        eventfd_write(wakeUp, 1)
    }

    private func watch(_ descriptor: Int32, _ id: StreamID) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = id
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
    }

    /// Stops reading a stream whose reader has enough; its writer will wait.
    private func pause(_ descriptor: Int32) { epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil) }

    private func run() {
        czproc_name_thread("zproc-output")
        var streams: [StreamID: Stream] = [:]
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            for event in events.prefix(max(0, Int(count))) {
                let id = event.data.u64
                if id == 0 {
                    var ignored: eventfd_t = 0
                    eventfd_read(wakeUp, &ignored)
                } else {
                    _ = streams[id]?.read { [self] in resume(id) }
                    if let stream = streams[id], stream.isPaused, stream.isOpen { pause(stream.descriptor) }
                }
            }
            let waiting = commands.withLock { commands in
                defer { commands.list = [] }
                return commands.list
            }
            for command in waiting {
                switch command {
                case .add(let id, let stream):
                    streams[id] = stream
                    watch(stream.descriptor, id)
                case .resume(let id):
                    guard let stream = streams[id], stream.isPaused, stream.isOpen else { continue }
                    streams[id]?.isPaused = false
                    watch(stream.descriptor, id)
                case .finish(let ids, let then):
                    then(
                        ids.map { id in
                            // What is in the pipe and no more: somebody else may still write into it.
                            for _ in 0..<64 where streams[id]?.read(resume: {}) != true { break }
                            streams[id]?.end()
                            return streams.removeValue(forKey: id)?.tail ?? []
                        }
                    )
                }
            }
        }
    }
}

extension OutputPump.Stream {
    /// Reads what is there; false when that is nothing.
    fileprivate mutating func read(resume: @escaping @Sendable () -> Void) -> Bool {
        guard isOpen else { return false }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count < 0, errno == EINTR { return true }
        if count < 0, errno == EAGAIN { return false }
        guard count > 0 else {
            close()
            return false
        }
        bytes.removeLast(bytes.count - count)
        take(bytes)
        if let buffer, !buffer.put(bytes, resume: resume) { isPaused = true }
        return true
    }

    /// Passes on the rest of a line that does not end.
    fileprivate mutating func end() {
        close()
        if !line.isEmpty { passOn(line + [UInt8(ascii: "\n")]) }
        line = []
    }

    private mutating func take(_ bytes: [UInt8]) {
        tail += bytes
        if tail.count > OutputPump.tailByteCount { tail.removeFirst(tail.count - OutputPump.tailByteCount) }
        guard prefix != nil else { return passOn(bytes) }
        line += bytes
        guard let end = line.lastIndex(of: UInt8(ascii: "\n")) else { return }
        passOn(Array(line[...end]))
        line.removeFirst(end + 1)
    }

    private func passOn(_ bytes: [UInt8]) {
        guard let target else { return }
        var text = bytes
        if let prefix {
            let start = Array("[\(prefix)] ".utf8)
            text = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
                .flatMap { start + $0 + [UInt8(ascii: "\n")] }
        }
        var done = 0
        while done < text.count {
            let count = text.withUnsafeBytes { bytes in
                write(target, bytes.baseAddress.map { $0 + done }, text.count - done)
            }
            if count < 0, errno == EINTR { continue }
            // Nobody reads it any more.
            guard count > 0 else { return }
            done += count
        }
    }

    private mutating func close() {
        guard isOpen else { return }
        isOpen = false
        Glibc.close(descriptor)
    }
}
