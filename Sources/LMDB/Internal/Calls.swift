// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CLMDB

/// The funnel of calls that succeed or fail.
@inline(__always)
func check(
    _ result: Int32,
    _ operation: StaticString,
    _ environment: @autoclosure () -> Environment
) throws(LMDBError) {
    if result != 0 { throw environment().error(result, operation) }
}

/// The funnel of calls that may also find nothing, for which it returns false.
@inline(__always)
func find(
    _ result: Int32,
    _ operation: StaticString,
    _ environment: @autoclosure () -> Environment
) throws(LMDBError) -> Bool {
    if result == 0 { return true }
    if result == MDB_NOTFOUND { return false }
    throw environment().error(result, operation)
}

extension MDB_val {
    /// Bytes for LMDB to read.
    ///
    /// It asks for a mutable pointer only because it also writes through such values.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    @inline(__always)
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: mv_data, count: mv_size)
    }
}

/// What both kinds of transaction can do. The handle is that of a transaction under way in the environment.
extension Environment {
    @inline(__always)
    func get(
        _ key: UnsafeRawBufferPointer,
        in database: Database,
        of transaction: OpaquePointer?
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        var key = MDB_val(key)
        var value = MDB_val()
        let found = try find(mdb_get(transaction, database.handle, &key, &value), "get", self)
        return found ? value.bytes : nil
    }

    func count(in database: Database, of transaction: OpaquePointer?) throws(LMDBError) -> Int {
        var statistics = MDB_stat()
        try check(mdb_stat(transaction, database.handle, &statistics), "count", self)
        return statistics.ms_entries
    }
}
