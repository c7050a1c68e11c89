// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc

/// How much ``withStackBuffer(_:entry:)`` lends.
let stackBufferByteCount = Int(CZPROC_BUFFER_SIZE)

/// Something that is done with ``stackBufferByteCount`` bytes of the stack.
///
/// Values of a type and not closures: to have C hand on what a closure knows takes two objects on the heap.
protocol StackBufferUse {
    /// Does it; the bytes may hold anything, and are not there afterwards.
    mutating func perform(with buffer: UnsafeMutableRawBufferPointer)
}

/// Lends ``stackBufferByteCount`` bytes of the stack.
///
/// Swift's own way takes more than 1,024 bytes from the heap, and the C library tidies its heap up each time a block so
/// large comes back.
///
/// - Parameters:
///   - use: what is done with them.
///   - entry: the ``StackBufferUse/enter(_:_:)`` of its type.
func withStackBuffer<Use: StackBufferUse>(
    _ use: inout Use,
    entry: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void
) {
    withUnsafeMutablePointer(to: &use) { czproc_with_buffer($0, entry) }
}

extension StackBufferUse {
    /// What C calls, which knows no types.
    static func enter(_ use: UnsafeMutableRawPointer?, _ buffer: UnsafeMutableRawPointer?) {
        let bytes = UnsafeMutableRawBufferPointer(start: buffer, count: stackBufferByteCount)
        use?.assumingMemoryBound(to: Self.self).pointee.perform(with: bytes)
    }
}
