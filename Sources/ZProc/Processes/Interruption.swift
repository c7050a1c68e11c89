// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Ends this process in order when it gets SIGINT, SIGTERM or SIGHUP: first the scopes' bodies are cancelled, then
/// everything spawned is stopped, then the process dies of the signal, so that whoever started it sees why.
///
/// A thread waits for the signals from the first context on. In a child process the parent does this, and it has none;
/// what a signal to the child itself does is in ``ChildMain``.
final class Interruption: Sendable {
    private struct Scope {
        let context: Context
        /// Cancels the body of the scope; nil for a context without one.
        var cancel: (@Sendable () -> Void)?
        /// Settled when the scope has been left.
        let left = Promise<Void>()
    }

    private struct State {
        var scopes: [ObjectIdentifier: Scope] = [:]
        var isWatching = false
        /// The signal that ends this process.
        var signal: Int32?
        /// Until when that signal, once more, is the same one.
        var echoEnd: ContinuousClock.Instant?
    }
    private let state = Mutex(State())

    static let shared = Interruption()
    /// Whether the present task is within a scope.
    @TaskLocal static var isNested = false

    /// Whether a signal ends this process, or in a child its body: nothing is restarted any more.
    var isEnding: Bool { state.withLock { $0.signal != nil } || ChildMain.isInterrupted }

    /// The most time that stopping takes; what hangs for longer must not keep the process from ending.
    static let patience = Mutex(Duration.seconds(15))

    /// What a signal says.
    private enum Meaning {
        /// That these are to end.
        case wish([Scope])
        /// The same once more: who ends a program and its group, as the command `timeout` does, sends it twice.
        case echo
        /// Whoever asks twice does not want to wait.
        case impatience
    }

    /// No person is as quick as that.
    private static let echoTime: Duration = .milliseconds(250)

    func add(_ context: Context) {
        let isFirst = state.withLock { state in
            state.scopes[ObjectIdentifier(context)] = Scope(context: context)
            defer { state.isWatching = true }
            return !state.isWatching
        }
        if isFirst { watch() }
    }

    func remove(_ context: Context) {
        let scope = state.withLock { $0.scopes.removeValue(forKey: ObjectIdentifier(context)) }
        scope?.left.settle()
    }

    /// Has the body of a scope cancelled when a signal comes.
    func onSignal(_ context: Context, _ cancel: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.scopes[ObjectIdentifier(context)]?.cancel = cancel
            return state.signal != nil
        }
        if isLate { cancel() }
    }

    /// Forgets how to cancel the body of a scope, which has ended; when a signal came, does not return.
    func bodyEnded(_ context: Context) async {
        let isEnding = state.withLock { state in
            state.scopes[ObjectIdentifier(context)]?.cancel = nil
            return state.signal != nil
        }
        guard isEnding else { return }
        await context.shutdown()
        // What the program would do next, such as report an error and exit, would hide the signal.
        _ = await Promise<Void>().settled()
    }

    private func watch() {
        guard czproc_child_argument() == nil else { return }
        // One descriptor for each signal, whose handler can do no more than count.
        let signals = [SIGINT, SIGTERM, SIGHUP].compactMap { number -> (Int32, Int32)? in
            let descriptor = eventfd(0, Int32(EFD_CLOEXEC))
            if descriptor >= 0, czproc_catch(number, descriptor) != 0 { return (number, descriptor) }
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        guard !signals.isEmpty else { return }
        startThread(for: "to wait for signals") { [self] in
            czproc_name_thread("zproc-signal")
            var watched = signals.map { pollfd(fd: $0.1, events: Int16(POLLIN), revents: 0) }
            // Kept here and on no other thread: those of the program may be what hangs.
            var end: (time: ContinuousClock.Instant, signal: Int32)?
            while true {
                let left = end.map { Int32(clamping: max(0, Int(($0.time - .now) / .milliseconds(1)) + 1)) }
                for index in watched.indices { watched[index].revents = 0 }
                _ = poll(&watched, nfds_t(watched.count), left ?? -1)
                for (event, signal) in zip(watched, signals) where event.revents & Int16(POLLIN) != 0 {
                    var ignored: eventfd_t = 0
                    eventfd_read(event.fd, &ignored)
                    received(signal.0)
                    if end == nil { end = (.now + Self.patience.withLock { $0 }, signal.0) }
                }
                if let end, end.time <= .now { czproc_die_of(end.signal) }
            }
        }
    }

    private func received(_ signal: Int32) {
        let meaning = state.withLock { state -> Meaning in
            if state.signal == signal, let end = state.echoEnd, .now < end { return .echo }
            guard state.signal == nil else { return .impatience }
            state.signal = signal
            state.echoEnd = .now + Self.echoTime
            return .wish(Array(state.scopes.values))
        }
        switch meaning {
        case .wish(let scopes): end(scopes, by: signal)
        case .echo: break
        case .impatience: czproc_die_of(signal)
        }
    }

    private func end(_ scopes: [Scope], by signal: Int32) {
        // Cancellation handlers are the user's code: they may block, and this thread waits for the next signal.
        let cancel: @Sendable () -> Void = { for scope in scopes { scope.cancel?() } }
        do throws(ThreadError) {
            // Where bodies have taken all of the pool's threads, no task would get to cancel them.
            try tryToStartThread { cancel() }
        } catch {
            Task { cancel() }
        }
        Task {
            await withDiscardingTaskGroup { stops in
                for scope in scopes {
                    stops.addTask {
                        // A scope's body may still tidy up; the scope ends its context itself.
                        if scope.cancel == nil {
                            await scope.context.shutdown()
                        } else {
                            _ = await scope.left.settled()
                        }
                    }
                }
            }
            czproc_die_of(signal)
        }
    }
}

/// Runs the body of a scope, which is cancelled when a signal ends this process.
func withInterruption<Result>(of context: Context, _ body: () async throws -> Result) async throws -> Result {
    // Who has made the outermost scope waits for the rest; what is within ends with its task, and its context is stopped.
    guard context.options.stopsOnSignals, !Interruption.isNested else { return try await body() }
    // This function runs on the task, which therefore lives until its end; by then nobody knows it any more.
    nonisolated(unsafe) let task = withUnsafeCurrentTask { $0 }
    Interruption.shared.onSignal(context) { task?.cancel() }
    do {
        let result = try await Interruption.$isNested.withValue(true) { try await body() }
        await Interruption.shared.bodyEnded(context)
        return result
    } catch {
        await Interruption.shared.bodyEnded(context)
        throw error
    }
}
