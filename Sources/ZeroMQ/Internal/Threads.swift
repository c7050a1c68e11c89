// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Starts a thread that nobody joins and no signal handler of the program runs on.
///
/// Returns 0 or an error number.
func startDetachedThread(
    _ body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?,
    argument: UnsafeMutableRawPointer
) -> ErrorNumber {
    var thread = pthread_t()
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    // The new thread inherits the mask.
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    let result = pthread_create(&thread, nil, body, argument)
    if result == 0 { pthread_detach(thread) }
    return result
}
