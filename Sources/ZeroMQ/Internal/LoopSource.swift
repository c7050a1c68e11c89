// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// Something whose descriptor a loop waits for.
package protocol LoopSource: AnyObject, Sendable {
    /// Names it in its loop, which has made the name; never used twice.
    var key: UInt64 { get }
    /// What is waited for, edge-triggered; open as long as it is registered.
    var descriptor: Int32 { get }
    /// Does what is due after something has happened to the descriptor.
    ///
    /// Called on a thread of the loop, for one source after the other: it must not block.
    ///
    /// - Parameter events: what has happened.
    func serve(_ events: LoopEvents)
}

/// What can happen to a descriptor.
package struct LoopEvents: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Something can be read.
    package static let data = LoopEvents(rawValue: EPOLLIN.rawValue)
    /// There is room for what is to be sent.
    package static let room = LoopEvents(rawValue: EPOLLOUT.rawValue)
    /// Nothing more will come after what is there.
    package static let end = LoopEvents(rawValue: EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue)
}

/// Descriptors that are no sockets of libzmq.
extension SocketLoop {
    /// A name for a source.
    package func makeKey() -> UInt64 { core.makeKey() }

    /// Waits for data and for the end, until ``unregister(_:)``; reports at once what is ready already.
    ///
    /// - Returns: 0 or the system's error number.
    package func register(_ source: any LoopSource) -> Int32 { core.register(source, for: .data) }

    /// Has room for what is to be sent reported, too, or no longer; reports at once what is ready already.
    ///
    /// - Returns: 0 or the system's error number.
    package func watch(_ source: any LoopSource, forRoom: Bool) -> Int32 {
        core.change(forRoom ? .dataAndRoom : .data, in: source)
    }

    /// Waits for it no longer; call it before its descriptor is closed.
    package func unregister(_ source: any LoopSource) { core.unregister(source) }
}
