// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization

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
        let cause: ProcessTermination.Cause
    }

    private struct Request {
        let path: String
        let argument: String
        let onLaunch: @Sendable (Launch) -> Void
        let onExit: @Sendable (Termination) -> Void
    }

    private struct Child {
        let pid: pid_t
        let onExit: @Sendable (Termination) -> Void
    }

    static let shared = ProcessLauncher()

    private let requests = Mutex<[Request]>([])
    private let wakeUp: Int32
    private let epoll: Int32
    /// Read end of a pipe whose write end only this process has: children see its end as the end of this process.
    private let lifeline: Int32

    private init() {
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC))
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        var ends: [Int32] = [-1, -1]
        lifeline = czproc_pipe(&ends) == 0 ? ends[0] : -1
        watch(wakeUp)
        startThread()
    }

    /// Starts `path` as a child process.
    ///
    /// - Parameters:
    ///   - path: the program.
    ///   - argument: what the child finds in its child variable.
    ///   - onExit: called once, on the launcher's thread, when a started child has ended and been reaped.
    ///   - onLaunch: called once before that, on the launcher's thread.
    /// - Returns: whether it was started, as `onLaunch` is told.
    func launch(
        _ path: String,
        argument: String,
        onExit: @escaping @Sendable (Termination) -> Void,
        onLaunch: @escaping @Sendable (Launch) -> Void
    ) async -> Launch {
        await withUnsafeContinuation { continuation in
            let request = Request(
                path: path,
                argument: argument,
                onLaunch: { launch in
                    onLaunch(launch)
                    continuation.resume(returning: launch)
                },
                onExit: onExit
            )
            requests.withLock { $0.append(request) }
            eventfd_write(wakeUp, 1)
        }
    }

    private func startThread() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 256 << 10)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals go to threads that expect them.
        var all = sigset_t(), before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let error = pthread_create(
            &thread,
            &attributes,
            { launcher in
                if let launcher { Unmanaged<ProcessLauncher>.fromOpaque(launcher).takeRetainedValue().run() }
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        precondition(error == 0, "no thread to start processes with: \(String(cString: strerror(error)))")
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
                } else if let child = children[event.data.fd], let termination = reap(child) {
                    children[event.data.fd] = nil
                    close(event.data.fd)
                    child.onExit(termination)
                }
            }
        }
    }

    private func start(_ request: Request, _ children: inout [Int32: Child]) {
        guard lifeline >= 0 else { return request.onLaunch(.failed(errno: EMFILE)) }
        var pid: pid_t = 0
        let error = CommandLine.arguments[0].withCString { name in
            var arguments: [UnsafeMutablePointer<CChar>?] = [UnsafeMutablePointer(mutating: name), nil]
            return czproc_spawn(request.path, &arguments, request.argument, lifeline, &pid)
        }
        guard error == 0 else { return request.onLaunch(.failed(errno: error)) }
        let descriptor = czproc_process_descriptor(pid)
        guard descriptor >= 0 else {
            let error = errno
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            return request.onLaunch(.failed(errno: error))
        }
        children[descriptor] = Child(pid: pid, onExit: request.onExit)
        watch(descriptor)
        request.onLaunch(.started(pid: pid, descriptor: descriptor))
    }

    private func reap(_ child: Child) -> Termination? {
        var ended = czproc_termination()
        switch czproc_reap(child.pid, &ended) {
        case 1:
            let status = Int(ended.status)
            return Termination(cause: ended.exited != 0 ? .exit(status: status) : .signal(status))
        case 0: return nil
        // Somebody else in this program waited for all children; how this one ended is lost.
        default: return Termination(cause: .exit(status: -1))
        }
    }
}
