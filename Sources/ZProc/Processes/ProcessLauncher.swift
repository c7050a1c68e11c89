// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Starts and reaps the children of this process, on one thread that lives as long as the process does.
///
/// The thread must outlive the children: the kernel kills a child when the thread that started it ends. It sleeps in
/// epoll until there is a child to start or one has ended.
final class ProcessLauncher: Sendable {
    /// What became of a request to start a process.
    enum Launch: Sendable {
        case started(pid: pid_t, descriptor: Int32)
        case failed(errno: Int32)
    }

    struct Termination: Sendable {
        enum Status {
            case exited(Int)
            case signaled(Int)
        }

        var status: Status
        var peakMemoryByteCount = 0
        /// Whether the system killed a process of this group for want of memory, and it was most likely this one.
        var wasKilledForMemory = false
        /// The end of what it wrote to its standard error.
        var standardErrorTail: [UInt8] = []
    }

    private struct Request {
        let path: String
        let argument: String
        let name: String?
        let options: ProcessOptions
        let threadCount: Int
        let place: ProcessRoll.Place?
        let output: OutputBuffer?
        let error: OutputBuffer?
        let onLaunch: @Sendable (Launch) -> Void
        let onReap: @Sendable () -> Void
        let onExit: @Sendable (Termination) -> Void
    }

    private struct Child {
        let pid: pid_t
        let place: ProcessRoll.Place?
        let outputs: [OutputPump.StreamID]
        let onReap: @Sendable () -> Void
        let onExit: @Sendable (Termination) -> Void
    }

    /// The launcher of this process, made the first time there are the descriptors for it.
    private static let running = Mutex<ProcessLauncher?>(nil)

    /// The launcher of this process; nil when the system has no descriptors left for it.
    static func shared() -> ProcessLauncher? {
        running.withLock { running in
            if running == nil { running = ProcessLauncher() }
            return running
        }
    }

    /// Waits until what processes wrote has been passed on.
    static func drainOutput() async { await running.withLock { $0 }?.pump.drain() }

    private let requests = Mutex<[Request]>([])
    private let wakeUp: Int32
    private let epoll: Int32
    /// Read end of a pipe whose write end only this process has: children see its end as the end of this process.
    private let lifeline: Int32
    private let pump: OutputPump

    private init?() {
        let wakeUp = eventfd(0, Int32(EFD_CLOEXEC)), epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        var ends: [Int32] = [-1, -1]
        let lifeline = czproc_pipe(&ends) == 0 ? czproc_out_of_the_way(ends[0]) : -1
        guard min(wakeUp, epoll, lifeline) >= 0, let pump = OutputPump() else {
            for descriptor in [wakeUp, epoll, lifeline, ends[1]] where descriptor >= 0 { close(descriptor) }
            return nil
        }
        self.wakeUp = wakeUp
        self.epoll = epoll
        self.lifeline = lifeline
        self.pump = pump
        watch(wakeUp)
        startThread(for: "to start processes with") { [self] in run() }
    }

    /// Starts `path` as a child process.
    ///
    /// - Parameters:
    ///   - path: the program.
    ///   - argument: what the child finds in its child variable.
    ///   - name: what stands before its lines, where that is asked for.
    ///   - options: how it runs.
    ///   - threadCount: how many threads the runtime's own pool gets.
    ///   - place: its place on the roll.
    ///   - output: who gets what it writes to its standard output, where that is streamed.
    ///   - error: who gets what it writes to its standard error, where that is streamed.
    ///   - onReap: called once when a started child has been reaped; its descriptor is closed after that.
    ///   - onExit: called once, when a started child has ended and been reaped, and all it wrote has been read.
    ///   - onLaunch: called once before that.
    /// - Returns: whether it was started, as `onLaunch` is told.
    func launch(
        _ path: String,
        argument: String,
        name: String?,
        options: ProcessOptions,
        threadCount: Int,
        place: ProcessRoll.Place?,
        output: OutputBuffer?,
        error: OutputBuffer?,
        onReap: @escaping @Sendable () -> Void,
        onExit: @escaping @Sendable (Termination) -> Void,
        onLaunch: @escaping @Sendable (Launch) -> Void
    ) async -> Launch {
        await withUnsafeContinuation { continuation in
            let request = Request(
                path: path,
                argument: argument,
                name: name,
                options: options,
                threadCount: threadCount,
                place: place,
                output: output,
                error: error,
                onLaunch: { launch in
                    onLaunch(launch)
                    continuation.resume(returning: launch)
                },
                onReap: onReap,
                onExit: onExit
            )
            requests.withLock { $0.append(request) }
            eventfd_write(wakeUp, 1)
        }
    }

    private func watch(_ descriptor: Int32) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.fd = descriptor
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
    }

    /// The thread: children belong to it alone.
    private func run() {
        czproc_name_thread("zproc-launch")
        var children: [Int32: Child] = [:]
        var memory = MemoryKills()
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            for event in events.prefix(max(0, Int(count))) {
                if event.data.fd == wakeUp {
                    var ignored: eventfd_t = 0
                    eventfd_read(wakeUp, &ignored)
                    let waiting = requests.withLock { requests in
                        defer { requests = [] }
                        return requests
                    }
                    for request in waiting { start(request, &children) }
                } else if let child = children[event.data.fd], let termination = reap(child, &memory) {
                    children[event.data.fd] = nil
                    child.place?.strike(child.pid)
                    child.onReap()
                    // A fork of this program has the descriptor, too, and as long as it does, its end is told of.
                    epoll_ctl(epoll, EPOLL_CTL_DEL, event.data.fd, nil)
                    close(event.data.fd)
                    pump.finish(child.outputs) { tails in
                        var termination = termination
                        termination.standardErrorTail = tails.last ?? []
                        child.onExit(termination)
                    }
                }
            }
        }
    }

    private func start(_ request: Request, _ children: inout [Int32: Child]) {
        let output: Plumbing, error: Plumbing
        do throws(SystemError) {
            output = try Plumbing(request.options.standardOutput, STDOUT_FILENO, request.output, keepsTail: false)
            do throws(SystemError) {
                error = try Plumbing(request.options.standardError, STDERR_FILENO, request.error, keepsTail: true)
            } catch {
                output.closeWriteEnd()
                output.abandon()
                throw error
            }
        } catch {
            request.place?.strike()
            return request.onLaunch(.failed(errno: error.number))
        }
        var pid: pid_t = 0
        let number = spawn(request, output, error, &pid)
        output.closeWriteEnd()
        error.closeWriteEnd()
        guard number == 0 else {
            output.abandon()
            error.abandon()
            request.place?.strike()
            return request.onLaunch(.failed(errno: number))
        }
        request.place?.enter(pid)
        let descriptor = czproc_process_descriptor(pid)
        guard descriptor >= 0 else {
            let number = errno
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            request.place?.strike(pid)
            output.abandon()
            error.abandon()
            return request.onLaunch(.failed(errno: number))
        }
        let prefix = request.name ?? String(pid)
        let outputs = [output, error].map { $0.start(pump, prefix: prefix) }
        children[descriptor] = Child(
            pid: pid,
            place: request.place,
            outputs: outputs,
            onReap: request.onReap,
            onExit: request.onExit
        )
        watch(descriptor)
        request.onLaunch(.started(pid: pid, descriptor: descriptor))
    }

    private func spawn(_ request: Request, _ output: Plumbing, _ error: Plumbing, _ pid: inout pid_t) -> Int32 {
        let changes = request.options.environment.map { name, value in value.map { "\(name)=\($0)" } ?? name }
        return withCStrings(changes) { changes in
            withCStrings([request.path, request.argument, CommandLine.arguments[0]]) { texts in
                withCStrings(request.options.workingDirectory.map { [$0] } ?? []) { directory in
                    var launch = czproc_launch()
                    launch.path = texts[0]
                    launch.argument = texts[1]
                    launch.name = texts[2]
                    launch.lifeline = lifeline
                    launch.roll = request.place?.roll.descriptor ?? -1
                    launch.threads = Int32(clamping: request.threadCount)
                    launch.directory = directory[0]
                    launch.environment = changes.baseAddress
                    launch.output = output.writeEnd
                    launch.error = error.writeEnd
                    return czproc_spawn(&launch, &pid)
                }
            }
        }
    }

    private func reap(_ child: Child, _ memory: inout MemoryKills) -> Termination? {
        var ended = czproc_termination()
        switch czproc_reap(child.pid, &ended) {
        case 1:
            let status = Int(ended.status)
            // Looked at each time, so that an earlier one's is not taken for this one's.
            let haveGrown = memory.haveGrown()
            let isKilled = ended.exited == 0 && ended.status == SIGKILL
            return Termination(
                status: ended.exited != 0 ? .exited(status) : .signaled(status),
                peakMemoryByteCount: Int(ended.peak_memory),
                wasKilledForMemory: isKilled && haveGrown
            )
        case 0: return nil
        // Somebody else in this program waited for all children; how this one ended is lost.
        default: return Termination(status: .exited(-1))
        }
    }
}

private struct SystemError: Error {
    let number: Int32
}

/// The way of one stream of a child to this process, before it has been started.
private struct Plumbing {
    private let output: ProcessOptions.Output
    private let target: Int32
    private let buffer: OutputBuffer?
    private var readEnd: Int32 = -1
    /// What the child writes to; -1 for what this process writes to.
    private(set) var writeEnd: Int32 = -1

    init(
        _ output: ProcessOptions.Output,
        _ target: Int32,
        _ buffer: OutputBuffer?,
        keepsTail: Bool
    ) throws(SystemError) {
        self.buffer = buffer
        self.output = output
        self.target = target
        if output == .inherited, !keepsTail { return }
        if output == .discarded, !keepsTail {
            writeEnd = open("/dev/null", O_WRONLY | O_CLOEXEC)
            if writeEnd < 0 { throw SystemError(number: errno) }
            return
        }
        var ends: [Int32] = [-1, -1]
        let error = czproc_pipe(&ends)
        if error != 0 { throw SystemError(number: error) }
        czproc_never_wait(ends[0])
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    func closeWriteEnd() { if writeEnd >= 0 { close(writeEnd) } }
    func abandon() { if readEnd >= 0 { close(readEnd) } }

    /// Has the pump read it from now on; 0 when there is nothing to read.
    func start(_ pump: OutputPump, prefix: String) -> OutputPump.StreamID {
        guard readEnd >= 0 else { return 0 }
        return pump.add(
            OutputPump.Stream(
                descriptor: readEnd,
                target: output == .discarded || output == .streamed ? nil : target,
                prefix: output == .prefixed ? prefix : nil,
                buffer: buffer
            )
        )
    }
}

/// Lends texts to C, with a null pointer after the last.
private func withCStrings<R>(
    _ texts: [String],
    _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
) -> R {
    var copies: [UnsafePointer<CChar>?] = texts.map { UnsafePointer(strdup($0)) }
    copies.append(nil)
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    return copies.withUnsafeBufferPointer { body($0) }
}
