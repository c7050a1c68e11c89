// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Values under numbers that are nearly always given one after the other, so that none has to be hashed.
///
/// The lowest bits of a number are its place. When a place is taken, by one that has been there for long, the table is made
/// larger; unless it is nearly empty, as when somebody chooses numbers so that they meet: then the newer one goes to a
/// dictionary.
package struct NumberTable<Value> {
    private struct Place {
        var number: UInt64
        /// Nil where the place is free.
        var value: Value?
    }
    /// None, or a power of two.
    private var places: [Place] = []
    private var placedCount = 0
    private var others: [UInt64: Value] = [:]

    package init() {}

    /// Under which there are values, in order.
    package var numbers: [UInt64] {
        (places.compactMap { $0.value == nil ? nil : $0.number } + others.keys).sorted()
    }

    /// How many values there are.
    package var count: Int { placedCount + others.count }

    /// The value under a number.
    package subscript(number: UInt64) -> Value? {
        if let place = place(of: number) { return places[place].value }
        return others.isEmpty ? nil : others[number]
    }

    /// Adds a value; false, and it is not added, when there is one under this number.
    @discardableResult package mutating func insert(_ value: Value, for number: UInt64) -> Bool {
        if !others.isEmpty, others[number] != nil { return false }
        while true {
            let place = Int(truncatingIfNeeded: number) & (places.count - 1)
            if places.isEmpty {
                resize(to: Self.leastPlaceCount)
            } else if places[place].value == nil {
                places[place] = Place(number: number, value: value)
                placedCount += 1
                return true
            } else if places[place].number == number {
                return false
            } else if places.count <= placedCount * Self.mostPlacesPerValue {
                resize(to: places.count * 2)
            } else {
                others[number] = value
                return true
            }
        }
    }

    /// Takes a value out.
    package mutating func remove(_ number: UInt64) -> Value? {
        guard let place = place(of: number) else { return others.isEmpty ? nil : others.removeValue(forKey: number) }
        placedCount -= 1
        return places[place].value.take()
    }

    /// Takes all values out, those of the lower numbers first.
    package mutating func removeAll() -> [Value] {
        defer { self = NumberTable() }
        var all = Array(others)
        for place in places { if let value = place.value { all.append((place.number, value)) } }
        return all.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Where a value is; nil when it is not there, or elsewhere.
    private func place(of number: UInt64) -> Int? {
        let place = Int(truncatingIfNeeded: number) & (places.count - 1)
        return !places.isEmpty && places[place].number == number && places[place].value != nil ? place : nil
    }

    private static var leastPlaceCount: Int { 16 }
    /// A table that has more is not made larger.
    private static var mostPlacesPerValue: Int { 4 }

    /// What had places of their own has them in a table of twice the size, too.
    private mutating func resize(to count: Int) {
        var new = Array(repeating: Place(number: 0, value: nil), count: count)
        for place in places where place.value != nil {
            new[Int(truncatingIfNeeded: place.number) & (count - 1)] = place
        }
        places = new
    }
}
