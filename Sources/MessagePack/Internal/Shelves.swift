// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The maps that a state has for one type of keys.
struct Shelf {
    /// Those whose container has been lent, the last one first.
    fileprivate var lent: OpenMap.Pointer?
    /// Those whose container is here.
    fileprivate var free: OpenMap.Pointer?
    /// Whether any has been lent in this `decode`, and the number of the shelf for which that was said before.
    fileprivate var isInUse = false
    fileprivate var nextInUse = Shelf.none
    /// How many there are, and how many there may be before all that were lent are looked at.
    fileprivate var count = 0
    fileprivate var mostBeforeLook = Shelf.few

    fileprivate static let few = 16
    fileprivate static let none = -1
}

/// All maps of a state, on a shelf for each type of keys.
struct Shelves {
    private static let usualCount = 8
    /// How many maps a state keeps for the next `decode`.
    fileprivate static let mostAtRest = 256

    fileprivate var all: UnsafeMutablePointer<Shelf>
    fileprivate var count = Shelves.usualCount
    /// The last shelf that came into use.
    fileprivate var inUse = Shelf.none
    fileprivate var mapCount = 0

    init() {
        all = .allocate(capacity: Shelves.usualCount)
        all.initialize(repeating: Shelf(), count: Shelves.usualCount)
    }
}

extension DecodingCore {
    /// A map whose container is here, and is about to be lent; nil if there is none.
    @inline(__always)
    func takeMap(_ number: Int) -> OpenMap.Pointer? {
        guard number < pointee.shelves.count else { return nil }
        let shelf = pointee.shelves.all + number
        if let last = shelf.pointee.lent {
            // Structs come after each other most of the time, and only one is open.
            if last.isBack, last.pointee.next == nil { return last }
            shelf.takeBack()
        }
        guard let map = shelf.pointee.free else { return nil }
        shelf.pointee.free = map.pointee.next
        lend(map, number)
        return map
    }

    /// Adds a map whose container is about to be lent.
    @inline(never)
    func addMap(_ map: OpenMap.Pointer, _ number: Int) {
        let count = pointee.shelves.count
        if number >= count {
            let shelves = UnsafeMutablePointer<Shelf>.allocate(capacity: number + 1)
            shelves.moveInitialize(from: pointee.shelves.all, count: count)
            (shelves + count).initialize(repeating: Shelf(), count: number + 1 - count)
            pointee.shelves.all.deallocate()
            pointee.shelves.all = shelves
            pointee.shelves.count = number + 1
        }
        pointee.shelves.mapCount += 1
        pointee.shelves.all[number].count += 1
        lend(map, number)
    }

    @inline(__always)
    private func lend(_ map: OpenMap.Pointer, _ number: Int) {
        let shelf = pointee.shelves.all + number
        map.pointee.next = shelf.pointee.lent
        shelf.pointee.lent = map
        guard !shelf.pointee.isInUse else { return }
        shelf.pointee.isInUse = true
        shelf.pointee.nextInUse = pointee.shelves.inUse
        pointee.shelves.inUse = number
    }

    /// Takes back the containers that were lent, up to the first that somebody has, and says whether all are here.
    func takeBackMaps() -> Bool {
        while pointee.shelves.inUse != Shelf.none {
            let shelf = pointee.shelves.all + pointee.shelves.inUse
            while let map = shelf.pointee.lent {
                guard map.isBack else { return false }
                shelf.pointee.lent = map.pointee.next
                shelf.putBack(map)
            }
            pointee.shelves.inUse = shelf.pointee.nextInUse
            shelf.pointee.isInUse = false
        }
        return true
    }

    /// Frees the maps if there are many; all must be back.
    func trimShelves() {
        if pointee.shelves.mapCount > Shelves.mostAtRest { freeMaps() }
    }

    /// Frees all maps, none of which is lent.
    @inline(never)
    private func freeMaps() {
        for number in 0..<pointee.shelves.count {
            let shelf = pointee.shelves.all + number
            while let map = shelf.pointee.free {
                shelf.pointee.free = map.pointee.next
                map.destroy()
            }
            shelf.pointee.count = 0
            shelf.pointee.mostBeforeLook = Shelf.few
        }
        pointee.shelves.mapCount = 0
    }

    /// Frees all there is; all maps must be back.
    func destroyShelves() {
        let areBack = takeBackMaps()
        precondition(areBack, "a state outlives what reads from it")
        freeMaps()
        pointee.shelves.all.deallocate()
    }
}

extension UnsafeMutablePointer<Shelf> {
    /// Takes back containers that are here again: those that were lent last, and if there are many maps, all.
    @inline(never)
    fileprivate func takeBack() {
        while let map = pointee.lent, map.isBack {
            pointee.lent = map.pointee.next
            putBack(map)
        }
        guard pointee.free == nil, pointee.count >= pointee.mostBeforeLook, var last = pointee.lent else { return }
        var lentCount = 1
        while let map = last.pointee.next {
            if map.isBack {
                last.pointee.next = map.pointee.next
                putBack(map)
            } else {
                last = map
                lentCount += 1
            }
        }
        // So that there is a look for as many new maps as are looked at.
        pointee.mostBeforeLook = Swift.max(Shelf.few, 2 * lentCount)
    }

    fileprivate func putBack(_ map: OpenMap.Pointer) {
        map.trim()
        map.pointee.next = pointee.free
        pointee.free = map
    }
}
