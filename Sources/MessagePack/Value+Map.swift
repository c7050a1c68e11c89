// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Value {
    /// The pairs of a map, in the order they are written, each key once.
    ///
    /// Looking up a key takes time in proportion to the number of pairs.
    public struct Map: Sendable, Hashable, RandomAccessCollection, ExpressibleByDictionaryLiteral {
        /// A key and its value.
        public typealias Element = (key: Value, value: Value)

        private var pairs: [Element]

        /// Makes an empty map.
        public init() {
            pairs = []
        }

        /// Makes a map of pairs; of those with equal keys the last one's value counts, in the first one's place.
        public init(_ pairs: some Sequence<(Value, Value)>) {
            self.init(uniquing: pairs.map { (key: $0.0, value: $0.1) })
        }

        /// Makes a map of pairs as they stand in the source.
        public init(dictionaryLiteral elements: (Value, Value)...) {
            self.init(elements)
        }

        init(uniquing pairs: [Element]) {
            var places = [Value: Int](minimumCapacity: pairs.count)
            self.pairs = []
            self.pairs.reserveCapacity(pairs.count)
            for pair in pairs {
                if let place = places.updateValue(self.pairs.count, forKey: pair.key) {
                    places[pair.key] = place
                    self.pairs[place].value = pair.value
                } else {
                    self.pairs.append(pair)
                }
            }
        }

        /// Takes pairs whose keys the caller knows to differ.
        init(unique pairs: [Element]) {
            self.pairs = pairs
        }

        /// The value of a key, or nil; assigning adds, replaces or (nil) removes the pair.
        public subscript(key: Value) -> Value? {
            get { pairs.first { $0.key == key }?.value }
            set {
                switch (pairs.firstIndex { $0.key == key }, newValue) {
                case (let index?, let value?): pairs[index].value = value
                case (let index?, nil): pairs.remove(at: index)
                case (nil, let value?): pairs.append((key, value))
                case (nil, nil): break
                }
            }
        }

        /// The keys, in order.
        public var keys: [Value] { pairs.map(\.key) }
        /// The values, in order of their keys.
        public var values: [Value] { pairs.map(\.value) }

        /// The index of the first pair.
        public var startIndex: Int { 0 }
        /// The index after the last pair.
        public var endIndex: Int { pairs.count }
        /// The pair at an index.
        public subscript(position: Int) -> Element { pairs[position] }

        /// Whether two maps hold the same pairs, in whatever order.
        public static func == (a: Map, b: Map) -> Bool {
            guard a.count == b.count else { return false }
            // Most maps to compare come in the same order; only the rest need a table.
            let differ = a.pairs.indices.first { a.pairs[$0] != b.pairs[$0] }
            guard let differ else { return true }
            let rest = Dictionary(b.pairs[differ...].map { ($0.key, $0.value) }) { first, _ in first }
            return a.pairs[differ...].allSatisfy { rest[$0.key] == $0.value }
        }

        /// Feeds the pairs without their order.
        public func hash(into hasher: inout Hasher) {
            var sum: UInt64 = 0
            for pair in pairs {
                var inner = Hasher()
                inner.combine(pair.key)
                inner.combine(pair.value)
                sum &+= UInt64(bitPattern: Int64(inner.finalize()))
            }
            hasher.combine(pairs.count)
            hasher.combine(sum)
        }
    }
}
