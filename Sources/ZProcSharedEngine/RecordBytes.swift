// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

/// A change as it is in the file, in a ``ChangeBlock``.
///
/// Time, origin and number of writes; for each write the lengths of key, old and new value, and then their bytes.
/// Numbers are in this machine's order.
///
/// A length of `UInt32.max` stands for no value, one of `UInt32.max - 1` for a new value equal to the old one.
enum RecordBytes {
    private static let none = UInt32.max
    private static let same = UInt32.max - 1
    private static let headByteCount = 20
    private static let writeHeadByteCount = 12

    static func count(of writes: [Write]) -> Int {
        var count = headByteCount
        let writes = writes.span
        for place in writes.indices {
            count += writeHeadByteCount + writes[place].key.utf8.count + (writes[place].before?.bytes.count ?? 0)
            if writes[place].before != writes[place].after { count += writes[place].after?.bytes.count ?? 0 }
        }
        return count
    }

    static func write(
        _ writes: [Write],
        by origin: Origin,
        at time: Int64,
        to bytes: UnsafeMutableRawBufferPointer
    ) {
        var rest = Rest(bytes: bytes)
        rest.put(time)
        rest.put(origin.number)
        rest.put(UInt32(writes.count))
        // Where they are: copies of values are counted, and the lock is held.
        let writes = writes.span
        for place in writes.indices {
            let isSame = writes[place].before == writes[place].after
            rest.put(UInt32(writes[place].key.utf8.count))
            rest.put(writes[place].before.map { UInt32($0.bytes.count) } ?? none)
            rest.put(isSame ? same : writes[place].after.map { UInt32($0.bytes.count) } ?? none)
            var key = writes[place].key
            key.withUTF8 { rest.put(UnsafeRawBufferPointer($0)) }
            writes[place].before?.bytes.withUnsafeBytes { rest.put($0) }
            if !isSame { writes[place].after?.bytes.withUnsafeBytes { rest.put($0) } }
        }
    }

    /// The bytes that are still to be written.
    private struct Rest {
        private var bytes: UnsafeMutableRawBufferPointer

        init(bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

        mutating func put<T: BitwiseCopyable>(_ number: T) {
            bytes.storeBytes(of: number, as: T.self)
            bytes = UnsafeMutableRawBufferPointer(rebasing: bytes[MemoryLayout<T>.size...])
        }

        mutating func put(_ part: UnsafeRawBufferPointer) {
            bytes.copyMemory(from: part)
            bytes = UnsafeMutableRawBufferPointer(rebasing: bytes[part.count...])
        }
    }

    /// Reads a change; nil for bytes that are none.
    static func read(_ bytes: UnsafeRawBufferPointer, revision: Revision) -> ChangeRecord? {
        var place = 0
        func number<T: BitwiseCopyable>(_ type: T.Type) -> T? {
            guard bytes.count - place >= MemoryLayout<T>.size else { return nil }
            defer { place += MemoryLayout<T>.size }
            return bytes.loadUnaligned(fromByteOffset: place, as: type)
        }
        func part(_ length: UInt32) -> UnsafeRawBufferPointer? {
            guard bytes.count - place >= Int(length) else { return nil }
            defer { place += Int(length) }
            return UnsafeRawBufferPointer(rebasing: bytes[place..<place + Int(length)])
        }
        guard let time = number(Int64.self), let origin = number(UInt64.self), let count = number(UInt32.self) else {
            return nil
        }
        var writes: [Write] = []
        writes.reserveCapacity(min(Int(count), bytes.count / writeHeadByteCount))
        for _ in 0..<count {
            guard let keyLength = number(UInt32.self), let oldLength = number(UInt32.self),
                let newLength = number(UInt32.self), let key = part(keyLength)
            else { return nil }
            var write = Write(key: String(decoding: key, as: UTF8.self), before: nil, after: nil)
            if oldLength != none {
                guard let old = part(oldLength) else { return nil }
                write.before = EncodedValue(copying: old)
            }
            if newLength == same {
                write.after = write.before
            } else if newLength != none {
                guard let new = part(newLength) else { return nil }
                write.after = EncodedValue(copying: new)
            }
            writes.append(write)
        }
        return ChangeRecord(revision: revision, time: time, origin: Origin(number: origin), writes: writes)
    }

    /// The time of a change, without reading the rest; 0 for bytes that are none.
    static func time(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        bytes.count >= 8 ? bytes.loadUnaligned(as: Int64.self) : 0
    }
}

extension EncodedValue {
    init(copying bytes: UnsafeRawBufferPointer) { self.init(unchecked: [UInt8](bytes)) }
}
