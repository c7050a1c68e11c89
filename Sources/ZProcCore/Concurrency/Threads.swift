// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Starts a thread of its own, which nobody joins and on which no signal handler of the program runs.
///
/// For threads that wait in the kernel, which no thread of Swift's pool may.
///
/// - Parameters:
///   - purpose: what it is for, should there be no thread to be had, which ends the program.
///   - body: what it does.
package func startThread(for purpose: String, _ body: @escaping @Sendable () -> Void) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // The new thread inherits the mask.
    var all = sigset_t(), before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let error = pthread_create(
        &thread,
        &attributes,
        { start in
            if let start { Unmanaged<Start>.fromOpaque(start).takeRetainedValue().body() }
            return nil
        },
        Unmanaged.passRetained(Start(body)).toOpaque()
    )
    precondition(error == 0, "no thread \(purpose): \(String(cString: strerror(error)))")
}
