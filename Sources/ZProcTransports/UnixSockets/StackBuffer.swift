// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc

/// How much ``withStackBuffer(_:)`` lends.
let stackBufferByteCount = Int(CZPROC_BUFFER_SIZE)

/// Lends ``stackBufferByteCount`` bytes of the stack, whatever lies in them.
///
/// Swift's own way takes more than 1,024 bytes from the heap, and the C library tidies its heap up each time a block so
/// large comes back.
func withStackBuffer(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
    withoutActuallyEscaping(body) { body in
        withUnsafePointer(to: body) { body in
            czproc_with_buffer(UnsafeMutableRawPointer(mutating: body)) { context, buffer in
                let body = context?.assumingMemoryBound(to: ((UnsafeMutableRawBufferPointer) -> Void).self).pointee
                body?(UnsafeMutableRawBufferPointer(start: buffer, count: stackBufferByteCount))
            }
        }
    }
}
