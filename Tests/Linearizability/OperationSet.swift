// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A set of small numbers as bits, without the words that are full at the low end or empty at the high end.
///
/// In a long history the operations placed are all early ones and a few of the next, so a set stays one or two words.
struct OperationSet: Hashable {
    /// How many words before `words` have all bits set.
    private var fullWords = 0

    /// The first is not full, the last not empty: equal sets are equal field by field.
    private var words: [UInt64] = []

    var isEmpty: Bool { fullWords == 0 && words.isEmpty }

    /// The smallest number that is not in the set.
    var firstMissing: Int { fullWords * 64 + (words.first.map { (~$0).trailingZeroBitCount } ?? 0) }

    func contains(_ number: Int) -> Bool {
        let index = number / 64 - fullWords
        if index < 0 { return true }
        return index < words.count && words[index] & (1 << UInt64(number % 64)) != 0
    }

    func isSubset(of other: OperationSet) -> Bool {
        let end = fullWords + words.count
        if end <= other.fullWords { return true }
        return (other.fullWords..<end).allSatisfy { word(at: $0) & ~other.word(at: $0) == 0 }
    }

    mutating func insert(_ number: Int) {
        let index = number / 64 - fullWords
        if index < 0 { return }
        while words.count <= index { words.append(0) }
        words[index] |= 1 << UInt64(number % 64)
        while words.first == .max {
            words.removeFirst()
            fullWords += 1
        }
    }

    private func word(at position: Int) -> UInt64 {
        if position < fullWords { return .max }
        return position - fullWords < words.count ? words[position - fullWords] : 0
    }
}
