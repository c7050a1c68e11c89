// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// There is no thread to be had.
package struct ThreadError: Error, CustomStringConvertible {
    /// The system's error number.
    package let errorNumber: Int32

    /// What the system says.
    package var description: String { String(cString: strerror(errorNumber)) }
}

/// Starts a thread of its own, as ``tryToStartThread(_:)`` does, that the program cannot do without.
///
/// - Parameters:
///   - purpose: what it is for, should there be no thread to be had, which ends the program.
///   - body: what it does.
package func startThread(for purpose: String, _ body: @escaping @Sendable () -> Void) {
    do throws(ThreadError) {
        try tryToStartThread(body)
    } catch {
        preconditionFailure("no thread \(purpose): \(error)")
    }
}

/// Starts a thread of its own, which nobody joins and on which no signal handler of the program runs.
///
/// For threads that wait in the kernel, which no thread of Swift's pool may.
///
/// - Parameter body: what it does.
/// - Throws: ``ThreadError``.
package func tryToStartThread(_ body: @escaping @Sendable () -> Void) throws(ThreadError) {
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
    let start = Unmanaged.passRetained(Start(body))
    let error = pthread_create(
        &thread,
        &attributes,
        { start in
            if let start { Unmanaged<Start>.fromOpaque(start).takeRetainedValue().body() }
            return nil
        },
        start.toOpaque()
    )
    if error != 0 {
        start.release()
        throw ThreadError(errorNumber: error)
    }
}
