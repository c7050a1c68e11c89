// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// What a call of libzmq came to: 0, or the error number it left behind.
typealias ErrorNumber = Int32

/// Runs a call of libzmq again until no signal interrupts it, and reads the error number before anything can change it.
@inline(never)
func errorNumber(of call: () -> Int32) -> ErrorNumber {
    while call() == -1 {
        let number = zmq_errno()
        if number != EINTR { return number }
    }
    return 0
}
