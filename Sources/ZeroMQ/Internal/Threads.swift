// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Starts a thread that nobody joins and no signal handler of the program runs on, for `body`.
///
/// Returns 0 or an error number; then `body` is never called.
func startDetachedThread(_ body: @escaping @Sendable () -> Void) -> ErrorNumber {
    var thread = pthread_t()
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    // The new thread inherits the mask.
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    let work = Unmanaged.passRetained(ThreadBody(run: body))
    let result = pthread_create(
        &thread,
        nil,
        { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        },
        work.toOpaque()
    )
    if result == 0 { pthread_detach(thread) } else { work.release() }
    return result
}

/// What a thread is started for, in an object, of which the system can pass a pointer on.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(run: @escaping @Sendable () -> Void) { self.run = run }
}
