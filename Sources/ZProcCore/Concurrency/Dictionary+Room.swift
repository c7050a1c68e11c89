// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Dictionary {
    /// An empty dictionary that has room for a few keys.
    ///
    /// For dictionaries that each new process fills. Where a dictionary with keys of a certain type is made for the first
    /// time, code that is compiled for that type has Swift's runtime look for the key's conformance to `Hashable` among
    /// all conformances of the program and its libraries, which takes 50 to 100 µs. This is compiled for all types at once:
    /// the conformance comes with the call.
    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    package init(room: Int) {
        self.init(minimumCapacity: room)
    }
}
