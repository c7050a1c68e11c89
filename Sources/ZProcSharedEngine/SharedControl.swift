// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Glibc
internal import ZProcCore

/// The control file of a store, mapped.
final class SharedControl: @unchecked Sendable {
    /// Guarded by what the C functions use: atomics, and the lock itself.
    private let control: OpaquePointer

    init(creating path: String, _ settings: cshared_settings) throws(StateError) {
        var settings = settings
        guard let control = cshared_create(path, &settings) else { throw .storage(errno, "make", path) }
        self.control = control
    }

    init(opening path: String) throws(StateError) {
        guard let control = cshared_open(path) else { throw .storage(errno, "open", path) }
        self.control = control
    }

    deinit { cshared_close(control) }

    var settings: cshared_settings { cshared_settings_of(control).pointee }

    func tryLock(pauses: Int) -> Bool { cshared_try_lock(control, Int32(pauses)) }

    func lock() throws(StateError) {
        let error = cshared_lock(control)
        if error != 0 { throw .storage(error, "lock", "the state") }
    }

    func unlock() { cshared_unlock(control) }

    var commits: UInt32 { cshared_commits(control) }
    func announce() { cshared_announce(control) }
    func wake() { cshared_wake(control) }
    func rouse() { cshared_rouse(control) }
    func sleep(while seen: UInt32, milliseconds: Int) { cshared_sleep(control, seen, Int32(milliseconds)) }
    func sleepDeeply(while seen: UInt32, milliseconds: Int) { cshared_sleep_deeply(control, seen, Int32(milliseconds)) }

    /// How much of the data file has memory behind it; with the lock.
    var allocated: UInt64 {
        get { cshared_allocated(control) }
        set { cshared_set_allocated(control, newValue) }
    }
}
