// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc

/// The live processes of the whole tree that this process belongs to, so that their number can be limited.
final class ProcessRoll: Sendable {
    /// For the children that are to share it.
    let descriptor: Int32
    /// Changed with atomic operations only; valid until `deinit`.
    nonisolated(unsafe) private let roll: OpaquePointer

    /// That of the parent, in a child process.
    static let inherited: ProcessRoll? = {
        guard czproc_child_argument() != nil, fcntl(CZPROC_ROLL_DESCRIPTOR, F_GETFD) >= 0 else { return nil }
        return ProcessRoll(fcntl(CZPROC_ROLL_DESCRIPTOR, F_DUPFD_CLOEXEC, CZPROC_ROLL_DESCRIPTOR + 1))
    }()

    /// Makes one for the tree that a context is the root of; nil when the system has no memory for it.
    convenience init?() {
        let descriptor = czproc_roll_create()
        if descriptor < 0 { return nil }
        self.init(czproc_out_of_the_way(descriptor))
    }

    private init?(_ descriptor: Int32) {
        guard descriptor >= 0 else { return nil }
        guard let roll = czproc_roll_open(descriptor) else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.roll = roll
    }

    deinit {
        czproc_roll_close(roll)
        close(descriptor)
    }

    /// Keeps a place for a process that is about to be started; nil when `limit` live already.
    func reserve(limit: Int) -> Place? {
        let number = czproc_roll_reserve(roll, Int32(clamping: min(limit, Int(CZPROC_ROLL_CAPACITY))))
        return number < 0 ? nil : Place(roll: self, number: number)
    }

    /// A process's place.
    struct Place: Sendable {
        let roll: ProcessRoll
        fileprivate let number: Int32

        func enter(_ pid: pid_t) { czproc_roll_enter(roll.roll, number, pid) }
        /// Frees the place of a process that has ended, or of this one when none was entered.
        func strike(_ pid: pid_t = getpid()) { czproc_roll_strike(roll.roll, number, pid) }
    }
}
