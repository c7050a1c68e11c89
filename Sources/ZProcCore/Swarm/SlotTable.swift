// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a slot table finds its values by.
protocol SlotID: Sendable {
    var number: UInt64 { get }
    init(_ number: UInt64)
}

/// Values under names that it gives out.
///
/// A name holds the value's place, so that nothing is hashed to find it; and how many names there were before, so that
/// nothing is found under a name whose value is gone, and later ones are larger, of four billion in a row.
struct SlotTable<ID: SlotID, Value: Sendable>: Sendable {
    /// Beside each other, so that looking for a place touches no value; 0 is a place that is free, as the first always is.
    private var numbers: [UInt64] = [0]
    /// The first is what lies in places that are free.
    private var values: [Value]
    private var free: [UInt32] = []
    private var lastSerial: UInt32 = 0

    init(blank: Value) { values = [blank] }

    var count: Int { numbers.count - 1 - free.count }
    var isEmpty: Bool { count == 0 }
    /// Of all that there are, in the order of the names.
    var ids: [ID] { numbers.filter { $0 != 0 }.sorted().map { ID($0) } }

    func contains(_ id: ID) -> Bool { place(of: id) != nil }

    mutating func add(_ value: Value) -> ID {
        lastSerial = lastSerial == .max ? 1 : lastSerial + 1
        let place: Int
        if let last = free.popLast() {
            place = Int(last)
            values[place] = value
        } else {
            place = numbers.count
            numbers.append(0)
            values.append(value)
        }
        let number = UInt64(lastSerial) << 32 | UInt64(place)
        numbers[place] = number
        return ID(number)
    }

    @discardableResult mutating func remove(_ id: ID) -> Value? {
        guard let place = place(of: id) else { return nil }
        numbers[place] = 0
        free.append(UInt32(place))
        var value = values[0]
        swap(&value, &values[place])
        return value
    }

    /// A copy.
    subscript(id: ID) -> Value? { place(of: id).map { values[$0] } }

    /// Something of a value, which is not copied for it.
    @inline(__always) func read<Part>(_ id: ID, _ part: (borrowing Value) -> Part) -> Part? {
        guard let place = place(of: id) else { return nil }
        return part(values[place])
    }

    /// Changes a value, if there is one.
    @inline(__always) mutating func change(_ id: ID, _ change: (inout Value) -> Void) {
        if let place = place(of: id) { change(&values[place]) }
    }

    private func place(of id: ID) -> Int? {
        let place = Int(truncatingIfNeeded: id.number & 0xffff_ffff)
        return place > 0 && place < numbers.count && numbers[place] == id.number ? place : nil
    }
}
